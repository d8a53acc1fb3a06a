// What a whole-network kernel knows about its layers; the host's twin is `plan::LayerShape`.

struct LayerShape {
    inner: u32,         // groups of four along the inner dimension
    groups: u32,        // groups of four outputs
    cols: u32,          // outputs, without padding
    activation: u32,    // 0 relu, 1 sigmoid, 2 tanh, 3 identity, 4 softmax
    weights: u32,       // the layer's first block of w
    bias: u32,          // the layer's first group of bias
    scale: f32,         // of the weights in int8
    unused: u32,
}

@group(0) @binding(1) var<storage, read> x: array<Input4>;                  // [rows, inner] pixels
@group(0) @binding(2) var<storage, read> w: array<Packed>;                  // every layer's blocks
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;                // every layer's groups
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;    // [rows, groups]
@group(0) @binding(5) var<storage, read> shapes: array<LayerShape>;

const COLUMN_LANES = LANES / K_LANES;
const SOFTMAX = 4u;

var<workgroup> partial: array<Acc4, LANES>;

// Which of a group's four values are outputs of a layer of `cols` outputs and no padding.
fn is_output(group: u32, cols: u32) -> vec4<bool> {
    let first = vec4<u32>(group * 4u);
    return first + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(cols);
}

// Joins the sums of the lanes that share a group; the lanes before COLUMN_LANES get the whole.
fn join(acc: Acc4, lane: u32) -> Acc4 {
    if K_LANES == 1u {
        return acc;
    }
    partial[lane] = acc;
    workgroupBarrier();
    var sum = acc;
    if lane < COLUMN_LANES {
        for (var part = 1u; part < K_LANES; part++) {
            sum += partial[lane + part * COLUMN_LANES];
        }
    }
    workgroupBarrier();
    return sum;
}
