// What every kernel knows about its matrices. The host's counterpart is `plan::Params`.
//
// Matrices are row-major. A row of n values takes ceil(n / 4) groups of four. The values after column
// n - 1 in the last group are padding. Padding is always written as zero.

struct Params {
    rows: u32,            // rows of the matrix, images of this chunk
    inner: u32,           // groups of four along the inner dimension of a product
    cols: u32,            // columns of the output, without padding
    groups: u32,          // groups of four in a row of the output
    slot_in: u32,         // slot of the maximum that gives the scale of the input
    slot_out: u32,        // slot of the maximum that is searched, or that gives the scale of the output
    clip: f32,            // largest quantized value of int8
    weight_scale: f32,    // scale of the weights in int8
    layers: u32,          // number of layers, in kernels of a whole network
    out_inverse: f32,     // inverse of the scale of the output, where that is quantized with a static scale
    out_zero: f32,        // zero point of the output, where that is quantized
    zero: u32,            // always 0, which no driver can know: see shared/pre_activation/scaled
}

@group(0) @binding(0) var<uniform> params: Params;

// Index of this invocation in a grid of `width` workgroups a row. One dimension of the grid may be too
// small for all workgroups.
fn flat_index(workgroup: vec3<u32>, width: u32, lane: u32) -> u32 {
    return (workgroup.y * width + workgroup.x) * LANES + lane;
}

// Which of a group's four values are among `cols` columns, and not padding.
fn within(group: u32, cols: u32) -> vec4<bool> {
    let first = vec4<u32>(group * 4u);
    return first + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(cols);
}

// Which of a group's four values are columns of the output, and not padding.
fn is_column(group: u32) -> vec4<bool> {
    return within(group, params.cols);
}

// Zero in the padding of the group at `index` of the matrix, `value` elsewhere.
fn without_padding(value: vec4<f32>, index: u32) -> vec4<f32> {
    return select(vec4<f32>(), value, is_column(index % params.groups));
}
