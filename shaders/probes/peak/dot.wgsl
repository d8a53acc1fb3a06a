// Measures the peak of the packed int8 dot product, in registers only. Each invocation keeps 8 × 2
// sums (8 × 4 where WIDE). A step reads the first sum of each column as four quantized values, and adds
// their dot products with the weights of the eight rows to the column's sums. So a step has only dot
// products and additions, and no product occurs twice. A driver that unpacks quantized values does so
// once for a whole column, as it does in a tile of a matrix product.
//
// The kernel has no array, because some drivers keep arrays in memory.

requires packed_4x8_integer_dot_product;

#import probes/peak/params

@group(0) @binding(1) var<storage, read_write> results: array<i32>; // [invocations]

// The sums of eight rows.
struct Column {
    low: vec4<i32>,
    high: vec4<i32>,
}

fn products(quantized: u32, weights: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(
        dot4I8Packed(quantized, weights.x),
        dot4I8Packed(quantized, weights.y),
        dot4I8Packed(quantized, weights.z),
        dot4I8Packed(quantized, weights.w),
    );
}

fn step(sums: Column, low: vec4<u32>, high: vec4<u32>) -> Column {
    let quantized = bitcast<u32>(sums.low.x);
    return Column(sums.low + products(quantized, low), sums.high + products(quantized, high));
}

fn four_steps(sums: Column, low: vec4<u32>, high: vec4<u32>) -> Column {
    var next = step(sums, low, high);
    next = step(next, low, high);
    next = step(next, low, high);
    return step(next, low, high);
}

// The initial sums of a column. They differ for every sum of every lane; otherwise a compiler could compute
// some of them only once.
fn start(column: u32, lane: u32) -> Column {
    let rows = vec4<u32>(0u, 1u, 2u, 3u);
    let low = ((8u * column + rows) * LANES + lane) * 2654435761u;
    let high = ((8u * column + rows + 4u) * LANES + lane) * 2654435761u;
    return Column(bitcast<vec4<i32>>(low), bitcast<vec4<i32>>(high));
}

fn total(sums: Column) -> i32 {
    let rows = sums.low + sums.high;
    return rows.x + rows.y + rows.z + rows.w;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let low = params.weights_low;
    let high = params.weights_high;
    var a = start(0u, lane);
    var b = start(1u, lane);
    var c = start(2u, lane);
    var d = start(3u, lane);
    for (var done = 0u; done < params.steps; done += 4u) {
        a = four_steps(a, low, high);
        b = four_steps(b, low, high);
        if WIDE {
            c = four_steps(c, low, high);
            d = four_steps(d, low, high);
        }
    }
    var sum = total(a) + total(b);
    if WIDE {
        sum += total(c) + total(d);
    }
    if id.x < params.invocations {
        results[id.x] = sum;
    }
}
