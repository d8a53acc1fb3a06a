// Runs one function of the arithmetic that int8 kernels share, whose results may not depend on the driver. The
// numbers of the operations, in slot_in, are those of `gpu::Operation`.
//
// a, b, c: [rows] words, operands; results: [rows] words

#import shared/params
#import shared/exact
#import shared/pre_activation/scaled

@group(0) @binding(1) var<storage, read> a: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<u32>;
@group(0) @binding(3) var<storage, read> c: array<u32>;
@group(0) @binding(4) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let at = id.x;
    if at >= params.rows {
        return;
    }
    let x = bitcast<f32>(a[at]);
    let y = bitcast<f32>(b[at]);
    var result = 0.0;
    switch params.slot_in {
        case 48u: { result = divided(x, b[at]); }
        case 49u: { result = rounded_quotient(vec4<f32>(x), y).x; }
        case 50u: {
            let sums = vec4<i32>(bitcast<i32>(a[at]));
            let z = vec4<f32>(bitcast<f32>(c[at]));
            result = scaled_sums(sums, y, z, z).x;
        }
        default: {}
    }
    results[at] = bitcast<u32>(result);
}
