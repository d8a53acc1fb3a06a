// A whole network in one dispatch, from pixels to outputs: a workgroup takes one image and keeps what
// its layers hand on in workgroup memory. A lane has every COLUMN_LANES-th group of a layer's outputs
// and every K_LANES-th group of its inner dimension.

// The input of a layer and its output, which is the next one's input.
var<workgroup> hidden: array<vec4<f32>, 2u * WIDEST>;

// Adds the bias, activates, and hands on.
fn hand_on(shape: LayerShape, group: u32, to: u32, sums: Acc4) {
    let z = sums + widen_bias(bias[shape.bias + group]);
    if shape.activation == SOFTMAX {
        hidden[to + group] = as_stored(z);
    } else {
        let activated = as_stored(activation_of(shape.activation, z));
        hidden[to + group] = select(vec4<f32>(), activated, is_output(group, shape.cols));
    }
}

// The lowest f32: padding never is the largest beside it.
const LOWEST = -3.4028234e38;

// The softmax of the last layer's z, in every lane; each then stores its own groups.
fn softmax(shape: LayerShape, read: u32, row: u32, lane: u32) {
    var tops = vec4<f32>(LOWEST);
    for (var group = 0u; group < shape.groups; group++) {
        let z = hidden[read + group];
        tops = max(tops, select(vec4<f32>(LOWEST), z, is_output(group, shape.cols)));
    }
    let top = max(max(tops.x, tops.y), max(tops.z, tops.w));
    var sum = vec4<f32>();
    for (var group = 0u; group < shape.groups; group++) {
        // Clamped: the difference may leave f32, and exp of -104 is zero already.
        let power = exp(max(hidden[read + group] - top, vec4<f32>(-104.0)));
        sum += select(vec4<f32>(), power, is_output(group, shape.cols));
    }
    let total = sum.x + sum.y + sum.z + sum.w;
    for (var group = lane; group < shape.groups; group += LANES) {
        let power = exp(max(hidden[read + group] - top, vec4<f32>(-104.0)));
        let kept = select(vec4<f32>(), power, is_output(group, shape.cols));
        output[row * shape.groups + group] = kept / total;
    }
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
    let column_lane = lane % COLUMN_LANES;
    let k_lane = lane / COLUMN_LANES;
    var shape = shapes[0];
    for (var first = 0u; first < shape.groups; first += COLUMN_LANES) {
        let group = first + column_lane;
        var acc = Acc4();
        if group < shape.groups {
            for (var k = k_lane; k < shape.inner; k += K_LANES) {
                let block = open_block(w[shape.weights + k * shape.groups + group]);
                acc = multiply_add(acc, input_value(x[row * shape.inner + k]), block);
            }
        }
        let sums = join(acc, lane);
        if lane < COLUMN_LANES && group < shape.groups {
            hand_on(shape, group, 0u, sums);
        }
    }
    workgroupBarrier();

    var read = 0u;
    for (var layer = 1u; layer < params.layers; layer++) {
        shape = shapes[layer];
        let to = WIDEST - read;
        for (var first = 0u; first < shape.groups; first += COLUMN_LANES) {
            let group = first + column_lane;
            var acc = Acc4();
            if group < shape.groups {
                for (var k = k_lane; k < shape.inner; k += K_LANES) {
                    let block = open_block(w[shape.weights + k * shape.groups + group]);
                    acc = multiply_add(acc, hidden[read + k], block);
                }
            }
            let sums = join(acc, lane);
            if lane < COLUMN_LANES && group < shape.groups {
                hand_on(shape, group, to, sums);
            }
        }
        workgroupBarrier();
        read = to;
    }

    if shape.activation == SOFTMAX {
        softmax(shape, read, row, lane);
    } else {
        for (var group = lane; group < shape.groups; group += LANES) {
            output[row * shape.groups + group] = hidden[read + group];
        }
    }
}
