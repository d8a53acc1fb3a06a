// Computes a whole int8 network in one dispatch, from pixels to outputs, with the scheme dynamic-row
// (ROWS) or static. No image depends on another. A workgroup computes one image. A lane has every
// COLUMN_LANES-th group of a layer's outputs and every K_LANES-th group of its inner dimension.
//
// x: [rows, inner] pixels; w, bias and shapes: those of every layer; output: [rows, groups]
// (shared/network declares the bindings)

#import shared/params
#import element
#import weights
#import shared/activation
#import shared/quantize
#import pre_activation
#import shared/largest
#import input
#import shared/network
#import shared/join

// `hidden` holds a layer's values before they are quantized.
const HIDDEN_GROUPS = WIDEST;

var<workgroup> quantized: array<Value4, WIDEST>;        // a layer's input

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
    let inner = shapes[0].inner;
    var scale = 1.0;
    // The quantized value of byte p is p - 128, which is p with its highest bit inverted.
    for (var k = lane; k < inner; k += LANES) {
        quantized[k] = open_quantized(x[row * inner + k] ^ 0x80808080u);
    }
    workgroupBarrier();

    for (var layer = 0u; layer < params.layers; layer++) {
        let shape = shapes[layer];
        // Softmax follows in store_row, when all values are known.
        let which = shape.activation;
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
                let pre_activation = scaled(sums, bias[shape.bias + group], scale);
                hidden[group] = select(vec4<f32>(), activation_of(which, pre_activation), within(group, shape.cols));
            }
        }
        workgroupBarrier();
        if layer + 1u < params.layers {
            let next = shapes[layer + 1u];
            if ROWS {
                var found = vec4<f32>();
                for (var group = lane; group < shape.groups; group += LANES) {
                    found = max(found, abs(hidden[group]));
                }
                let own = max(max(found.x, found.y), max(found.z, found.w));
                scale = row_scale_from(largest_of(vec2<f32>(own), lane).x, levels_of(next.zero));
                for (var group = lane; group < shape.groups; group += LANES) {
                    quantized[group] = as_value(quantize_row(hidden[group], scale, next.zero));
                }
            } else {
                for (var group = lane; group < shape.groups; group += LANES) {
                    quantized[group] = as_value(quantize_static(hidden[group], next.scale, next.zero));
                }
            }
            workgroupBarrier();
        }
    }

    store_row(shapes[params.layers - 1u], 0u, row, lane, LANES);
}
