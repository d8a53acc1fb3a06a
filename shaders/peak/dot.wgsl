// The ceiling of the packed int8 dot product: registers only. Each invocation keeps 8 × 2 sums
// (8 × 4 where WIDE). A step takes the first sum of each column as four codes, and adds their dot
// product with each of the eight rows' weights to the column's sums: nothing but dot products and
// additions, and no product is the same twice. A driver that takes codes apart does so once for a
// whole column, as it does in a tile of a matrix product.
//
// There is no array here, since some drivers keep arrays in memory.

@group(0) @binding(1) var<storage, read_write> results: array<i32>; // [invocations]

// The sums of eight rows.
struct Column {
    low: vec4<i32>,
    high: vec4<i32>,
}

fn products(codes: u32, weights: vec4<u32>) -> vec4<i32> {
    return vec4<i32>(
        dot4I8Packed(codes, weights.x),
        dot4I8Packed(codes, weights.y),
        dot4I8Packed(codes, weights.z),
        dot4I8Packed(codes, weights.w),
    );
}

fn step(sums: Column, low: vec4<u32>, high: vec4<u32>) -> Column {
    let codes = bitcast<u32>(sums.low.x);
    return Column(sums.low + products(codes, low), sums.high + products(codes, high));
}

fn four_steps(sums: Column, low: vec4<u32>, high: vec4<u32>) -> Column {
    var next = step(sums, low, high);
    next = step(next, low, high);
    next = step(next, low, high);
    return step(next, low, high);
}

// A column's start. Every sum of every lane has its own, or a compiler could compute some of them
// once for all.
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
