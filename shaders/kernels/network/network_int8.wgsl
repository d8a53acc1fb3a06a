// Computes a whole int8 network of the reference scheme in one dispatch, from pixels to outputs. A
// workgroup computes one image, which is a batch of its own and has its own scales. A lane has every
// COLUMN_LANES-th group of a layer's outputs and every K_LANES-th group of its inner dimension.
//
// x: [rows, inner] pixels; w, bias and shapes: those of every layer; output: [rows, groups]
// (shared/network declares the bindings)

#import shared/params
#import element
#import weights
#import shared/activation
#import shared/exact
#import shared/scale
#import pre_activation
#import shared/quantize_reference
#import shared/largest
#import input
#import shared/network
#import shared/join

// `hidden` holds a layer's pre-activations, then its activated values.
const HIDDEN_GROUPS = WIDEST;

var<workgroup> quantized: array<Value4, WIDEST>;        // a layer's input

fn largest_byte(row: u32, inner: u32, lane: u32) -> f32 {
    var found = vec4<u32>();
    for (var k = lane; k < inner; k += LANES) {
        let bytes = vec4<u32>(x[row * inner + k]) >> vec4<u32>(0u, 8u, 16u, 24u);
        found = max(found, bytes & vec4<u32>(255u));
    }
    let own = f32(max(max(found.x, found.y), max(found.z, found.w)));
    return largest_of(vec2<f32>(own), lane).x;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * grid.x + workgroup.x;
    if row >= params.rows {
        return;
    }
    var inner = shapes[0].inner;
    let byte = largest_byte(row, inner, lane);
    var scale = scale_from(divided(byte, 255u));
    let steps = steps_of_pixel(max(byte, 1.0));
    for (var k = lane; k < inner; k += LANES) {
        quantized[k] = as_value(quantize_pixels(x[row * inner + k], steps));
    }
    workgroupBarrier();

    for (var layer = 0u; layer < params.layers; layer++) {
        let shape = shapes[layer];
        var high = vec4<f32>(LOWEST);
        var low = vec4<f32>(LOWEST);
        for (var first = 0u; first < shape.groups; first += COLUMN_LANES) {
            let group = first + lane % COLUMN_LANES;
            var acc = Acc4();
            if group < shape.groups {
                for (var k = lane / COLUMN_LANES; k < shape.inner; k += K_LANES) {
                    let block = block_at(shape.weights, shape.inner, shape.groups, k, group);
                    acc = multiply_add(acc, quantized[k], block);
                }
            }
            let sums = join(acc, lane);
            if lane < COLUMN_LANES && group < shape.groups {
                let weight_scale = vec4<f32>(shape.scale);
                let pre_activation = scaled_sums(vec4<i32>(sums), scale, weight_scale, bias[shape.bias + group]);
                let kept = within(group, shape.cols);
                high = max(high, select(high, pre_activation, kept));
                low = max(low, select(low, -pre_activation, kept));
                hidden[group] = pre_activation;
            }
        }
        let own = vec2<f32>(
            max(max(high.x, high.y), max(high.z, high.w)),
            max(max(low.x, low.y), max(low.z, low.w)),
        );
        let ends = largest_of(own, lane);
        let pre_activation_scale = scale_from(max(ends.x, ends.y));

        // Quantize, dequantize and activate. Softmax follows in store_row, when all values are known.
        let which = shape.activation;
        var found = vec4<f32>();
        for (var group = lane; group < shape.groups; group += LANES) {
            let activated = activation_of(which, quantize(hidden[group], pre_activation_scale) * pre_activation_scale);
            let kept = select(vec4<f32>(), activated, within(group, shape.cols));
            found = max(found, abs(kept));
            hidden[group] = kept;
        }
        if layer + 1u < params.layers {
            let magnitude = max(max(found.x, found.y), max(found.z, found.w));
            scale = scale_from(largest_of(vec2<f32>(magnitude), lane).x);
            for (var group = lane; group < shape.groups; group += LANES) {
                quantized[group] = as_value(quantize(hidden[group], scale));
            }
        }
        workgroupBarrier();
    }

    store_row(shapes[params.layers - 1u], 0u, row, lane, LANES);
}
