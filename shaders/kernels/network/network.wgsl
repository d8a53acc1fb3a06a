// Computes a whole network in one dispatch, from pixels to outputs. A workgroup computes one image
// and keeps the values between layers in workgroup memory. A lane has every COLUMN_LANES-th group of
// a layer's outputs and every K_LANES-th group of its inner dimension.
//
// x: [rows, inner] pixels; w, bias and shapes: those of every layer; output: [rows, groups]
// (shared/network declares the bindings)

#import shared/params
#import element
#import weights
#import pre_activation
#import input
#import shared/network
#import shared/join
#import shared/store_hidden

// `hidden` holds the input of a layer and its output, which is the input of the next layer.
const HIDDEN_GROUPS = 2u * WIDEST;

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
                let block = block_at(shape.weights, shape.inner, shape.groups, k, group);
                acc = multiply_add(acc, input_value(x[row * shape.inner + k]), block);
            }
        }
        let sums = join(acc, lane);
        if lane < COLUMN_LANES && group < shape.groups {
            store_hidden(shape, group, group, sums);
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
                    let block = block_at(shape.weights, shape.inner, shape.groups, k, group);
                    acc = multiply_add(acc, hidden[read + k], block);
                }
            }
            let sums = join(acc, lane);
            if lane < COLUMN_LANES && group < shape.groups {
                store_hidden(shape, group, to + group, sums);
            }
        }
        workgroupBarrier();
        read = to;
    }

    store_row(shape, read, row, lane, LANES);
}
