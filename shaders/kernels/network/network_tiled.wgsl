// Computes a whole network in one dispatch, from pixels to outputs, with tiles in workgroup memory, for GPUs. A workgroup
// computes ROWS images of a network whose layers have no more than 4 · WIDEST outputs, and keeps the values between
// layers in workgroup memory. A lane has four images and one group of each layer's outputs.
//
// x: [rows, inner] pixels; w, bias and shapes: those of every layer; output: [rows, groups]
// (shared/network declares the bindings)

#import shared/params
#import element
#import weights
#import pre_activation
#import input
#import shared/network
#import shared/store_hidden
#import shared/fetch_input

const STEP_PARTS = 4u * K_STEP;
// Rows of the tiles are padded, so that lanes that write down a column reach different memory banks.
const X_STRIDE = ROWS + 4u;
const W_STRIDE = WIDEST + 1u;
const ROW_GROUPS = WIDEST + 1u;         // in a row of `hidden`
const HIDDEN_GROUPS = ROWS * ROW_GROUPS;

var<workgroup> x_tile: array<f32, STEP_PARTS * X_STRIDE>;
var<workgroup> w_tile: array<vec4<f32>, STEP_PARTS * W_STRIDE>;

// Loads a lane's share of a layer's weights of a step. Past the edge, the last block is read again.
fn fetch_w(shape: LayerParams, step: u32, lane: u32) -> array<Block, W_LOADS> {
    var fetched: array<Block, W_LOADS>;
    for (var l = 0u; l < W_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let k = min(step + at / WIDEST, shape.inner - 1u);
        let group = min(at % WIDEST, shape.groups - 1u);
        fetched[l] = block_at(shape.weights, shape.inner, shape.groups, k, group);
    }
    return fetched;
}

fn store_w(fetched: array<Block, W_LOADS>, lane: u32) {
    for (var l = 0u; l < W_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        if at < K_STEP * WIDEST {
            for (var part = 0u; part < 4u; part++) { // unrolled
                w_tile[(4u * (at / WIDEST) + part) * W_STRIDE + at % WIDEST] = fetched[l][part];
            }
        }
    }
}

fn store_x(fetched: array<Input4, X_LOADS>, step: u32, lane: u32) {
    for (var l = 0u; l < X_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let k = at % K_STEP;
        if at < X_VALUES {
            let value = input_value(fetched[l]);
            // What was read again along the inner dimension must not count.
            let inside = step + k < params.inner;
            for (var part = 0u; part < 4u; part++) { // unrolled
                x_tile[(4u * k + part) * X_STRIDE + at / K_STEP] = select(0.0, value[part], inside);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_row = (workgroup.y * grid.x + workgroup.x) * ROWS;
    // Neighbouring rows of a lane lie side by side in x_tile.
    let row = 4u * (lane / WIDEST);
    let group = lane % WIDEST;

    var shape = shapes[0];
    var acc: array<Acc4, 4>;
    var x_next = fetch_x(first_row, 0u, lane);
    var w_next = fetch_w(shape, 0u, lane);
    for (var step = 0u; step < params.inner; step += K_STEP) {
        store_x(x_next, step, lane);
        store_w(w_next, lane);
        workgroupBarrier(); // all of the step is there
        x_next = fetch_x(first_row, step + K_STEP, lane);
        w_next = fetch_w(shape, step + K_STEP, lane);
        for (var part = 0u; part < STEP_PARTS; part++) {
            let weights = w_tile[part * W_STRIDE + group];
            for (var i = 0u; i < 4u; i++) { // unrolled
                acc[i] = fma(vec4<f32>(x_tile[part * X_STRIDE + row + i]), weights, acc[i]);
            }
        }
        workgroupBarrier();
    }

    for (var layer = 1u; layer < params.layers; layer++) {
        if group < shape.groups {
            for (var i = 0u; i < 4u; i++) { // unrolled
                store_hidden(shape, group, (row + i) * ROW_GROUPS + group, acc[i]);
            }
        }
        shape = shapes[layer];
        acc = array<Acc4, 4>();
        for (var step = 0u; step < shape.inner; step += K_STEP) {
            store_w(fetch_w(shape, step, lane), lane);
            workgroupBarrier(); // the values of the layer before are there too
            for (var k = 0u; k < min(K_STEP, shape.inner - step); k++) {
                for (var i = 0u; i < 4u; i++) { // unrolled
                    let value = hidden[(row + i) * ROW_GROUPS + step + k];
                    for (var part = 0u; part < 4u; part++) { // unrolled
                        let weights = w_tile[(4u * k + part) * W_STRIDE + group];
                        acc[i] = fma(vec4<f32>(value[part]), weights, acc[i]);
                    }
                }
            }
            workgroupBarrier();
        }
    }
    if group < shape.groups {
        for (var i = 0u; i < 4u; i++) { // unrolled
            store_hidden(shape, group, (row + i) * ROW_GROUPS + group, acc[i]);
        }
    }
    workgroupBarrier();

    if lane < ROWS && first_row + lane < params.rows {
        store_row(shape, lane * ROW_GROUPS, first_row + lane, 0u, 1u);
    }
}
