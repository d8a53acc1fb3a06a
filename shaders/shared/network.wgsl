// What kernels of a whole network share: the shapes of the layers, the bindings, and how an image's
// outputs are stored. The kernel sets HIDDEN_GROUPS. The host's counterpart is `plan::LayerParams`.

#import shared/params
#import element
#import pre_activation
#import input
#import shared/softmax

struct LayerParams {
    inner: u32,         // groups of four along the inner dimension
    groups: u32,        // groups of four outputs
    cols: u32,          // outputs, without padding
    activation: u32,    // 0 relu, 1 sigmoid, 2 tanh, 3 identity, 4 softmax
    weights: u32,       // the layer's first block of w
    bias: u32,          // the layer's first group of bias
    scale: f32,         // of the weights in int8; in the scheme static, the inverse of the input's scale
    zero: f32,          // zero point of the input; 0 in the reference scheme
}

@group(0) @binding(1) var<storage, read> x: array<Input4>;                  // [rows, inner] pixels
@group(0) @binding(2) var<storage, read> w: array<Packed>;                  // every layer's blocks
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;                // every layer's groups
@group(0) @binding(4) var<storage, read_write> output: array<vec4<f32>>;    // [rows, groups]
@group(0) @binding(5) var<storage, read> shapes: array<LayerParams>;

const SOFTMAX = 4u;

// The values between layers.
var<workgroup> hidden: array<vec4<f32>, HIDDEN_GROUPS>;

// Stores the outputs of a row. `hidden` has the values of the last layer from `read` on; of a softmax
// layer, they are its pre-activations. `lanes` lanes share the row: each computes the sum of the softmax and stores its own
// groups.
fn store_row(shape: LayerParams, read: u32, row: u32, lane: u32, lanes: u32) {
    let softmax = shape.activation == SOFTMAX;
    var top = 0.0;
    var total = 1.0;
    if softmax {
        var tops = vec4<f32>(LOWEST);
        for (var group = 0u; group < shape.groups; group++) {
            let pre_activation = hidden[read + group];
            tops = max(tops, select(vec4<f32>(LOWEST), pre_activation, within(group, shape.cols)));
        }
        top = max(max(tops.x, tops.y), max(tops.z, tops.w));
        var sum = vec4<f32>();
        for (var group = 0u; group < shape.groups; group++) {
            let term = softmax_term(hidden[read + group], top);
            sum += select(vec4<f32>(), term, within(group, shape.cols));
        }
        total = sum.x + sum.y + sum.z + sum.w;
    }
    for (var group = lane; group < shape.groups; group += lanes) {
        var value = hidden[read + group];
        if softmax {
            let term = softmax_term(value, top);
            value = select(vec4<f32>(), term, within(group, shape.cols)) / total;
        }
        output[row * shape.groups + group] = value;
    }
}
