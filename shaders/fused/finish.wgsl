// The outputs of an int8 network from the z of its last layer: quantized, dequantized and activated.
// The scale is the whole batch's, so that it is known only once every row has its z. One row an
// invocation. slot_in and the slot after it have the extremes of z.

@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;             // [rows, groups]
@group(0) @binding(2) var<storage, read_write> output: array<vec4<f32>>;  // [rows, groups]

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_index(workgroup, grid.x, lane);
    if row >= params.rows {
        return;
    }
    let high = unordered(atomicLoad(&maxima[params.slot_in]));
    let low = -unordered(atomicLoad(&maxima[params.slot_in + 1u]));
    let scale = scale_from(max(high, -low));
    let start = row * params.groups;
    var top = LOWEST;
    for (var group = 0u; group < params.groups; group++) {
        let value = quantize(z[start + group], scale) * scale;
        if !SOFTMAX {
            let activated = activation_of(ACTIVATION, value);
            output[start + group] = select(vec4<f32>(), activated, is_column(group));
            continue;
        }
        let kept = select(vec4<f32>(LOWEST), value, is_column(group));
        top = max(top, max(max(kept.x, kept.y), max(kept.z, kept.w)));
    }
    if !SOFTMAX {
        return;
    }
    var sum = vec4<f32>();
    for (var group = 0u; group < params.groups; group++) {
        let value = quantize(z[start + group], scale) * scale;
        let kept = select(vec4<f32>(), softmax_term(value, top), is_column(group));
        sum += kept;
        output[start + group] = kept;
    }
    let total = sum.x + sum.y + sum.z + sum.w;
    for (var group = 0u; group < params.groups; group++) {
        output[start + group] = output[start + group] / total;
    }
}
