// Computes the outputs of an int8 network of the reference scheme: quantizes, dequantizes and
// activates the pre-activations of the last layer. Their scale belongs to the whole batch, so that
// it is known only after all rows are computed. One invocation computes one row. slot_in and the
// next slot hold the extremes of the pre-activations.

#import shared/params
#import shared/scale
#import shared/quantize_reference
#import shared/extremes
#import shared/activation
#import shared/softmax

@group(0) @binding(1) var<storage, read> pre_activation: array<vec4<f32>>;      // [rows, groups]
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
        let value = quantize(pre_activation[start + group], scale) * scale;
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
        let value = quantize(pre_activation[start + group], scale) * scale;
        let kept = select(vec4<f32>(), softmax_term(value, top), is_column(group));
        sum += kept;
        output[start + group] = kept;
    }
    let total = sum.x + sum.y + sum.z + sum.w;
    for (var group = 0u; group < params.groups; group++) {
        output[start + group] = output[start + group] / total;
    }
}
