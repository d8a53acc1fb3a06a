// Computes a layer with tiles in workgroup memory, for GPUs. A workgroup computes
// ROW_LANES · TILE_ROWS rows by COLUMN_LANES · TILE_GROUPS groups of columns. It stages K_STEP groups of the
// inner dimension at a time, so that each value is loaded and converted once for all lanes that need it. While
// they multiply one step, the next one is on its way into registers.
//
// A step has STEP_PARTS parts: single inner values, or with a packed dot product words of four. Both tiles have
// a row for each part, so that a lane multiplies its rows with its columns as an outer product.
//
// x: [rows, inner] groups of four along the inner dimension
// w: [inner, groups] blocks of four inner values by four outputs, read as slices
// bias: [groups], output: [rows, groups]

#import shared/params
#import element
#import weights
#import pre_activation
#import input
#import inner
#import epilogue
#import shared/columns
#import shared/fetch_input

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> w: array<StoredSlice>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

const COLUMN_LANES = LANES / ROW_LANES;
const GROUPS = COLUMN_LANES * TILE_GROUPS;      // in the workgroup's tile
const SLICES = PARTS / SLICE_PARTS;             // in a block
const STEP_PARTS = K_STEP * PARTS;
const W_SLICES = K_STEP * GROUPS * SLICES;
// Rows of the tiles are padded, so that lanes that write down a column reach different memory banks. Four rows
// of the input lie side by side for a lane, at a multiple of four.
const X_STRIDE = ROWS + 4u;
const W_STRIDE = GROUPS + 1u;

var<workgroup> x_tile: array<Part, BUFFERS * STEP_PARTS * X_STRIDE>;
var<workgroup> w_tile: array<Row4, BUFFERS * STEP_PARTS * W_STRIDE>;

// Loads a lane's share of the weights of a step. Neighbouring lanes read neighbouring slices.
fn fetch_w(first_group: u32, step: u32, lane: u32) -> array<Slice, W_LOADS> {
    var fetched: array<Slice, W_LOADS>;
    for (var l = 0u; l < W_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let k = min(step + at / (GROUPS * SLICES), params.inner - 1u);
        let place = first_group * SLICES + at % (GROUPS * SLICES);
        fetched[l] = slice_at(k, min(place, params.groups * SLICES - 1u));
    }
    return fetched;
}

fn store_x(fetched: array<Input4, X_LOADS>, buffer: u32, step: u32, lane: u32) {
    for (var l = 0u; l < X_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let k = at % K_STEP;
        if X_VALUES % LANES == 0u || at < X_VALUES {
            let value = input_value(fetched[l]);
            // What was read again along the inner dimension must not count.
            let inside = step + k < params.inner;
            let to = (buffer * STEP_PARTS + k * PARTS) * X_STRIDE + at / K_STEP;
            for (var part = 0u; part < PARTS; part++) { // unrolled
                x_tile[to + part * X_STRIDE] = select(Part(), part_of(value, part), inside);
            }
        }
    }
}

fn store_w(fetched: array<Slice, W_LOADS>, buffer: u32, lane: u32) {
    for (var l = 0u; l < W_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        if W_SLICES % LANES == 0u || at < W_SLICES {
            let place = at % (GROUPS * SLICES);
            let first = (at / (GROUPS * SLICES)) * PARTS + (place % SLICES) * SLICE_PARTS;
            let to = (buffer * STEP_PARTS + first) * W_STRIDE + place / SLICES;
            for (var part = 0u; part < SLICE_PARTS; part++) { // unrolled
                w_tile[to + part * W_STRIDE] = slice_row(fetched[l], part);
            }
        }
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    begin_input();
    begin_inner(workgroup.z);
    let first_row = workgroup.y * ROWS;
    let first_group = workgroup.x * GROUPS;
    // A lane has quads of neighbouring rows, ROW_LANES quads apart, and groups COLUMN_LANES apart.
    let row_lane = lane / COLUMN_LANES;
    let column_lane = lane % COLUMN_LANES;

    var acc: array<Acc4, TILE_ROWS * TILE_GROUPS>;
    var buffer = 0u;
    let first = first_step(workgroup.z);
    let end = end_of_steps(workgroup.z);
    var x_next = fetch_x(first_row, first, lane);
    var w_next = fetch_w(first_group, first, lane);
    for (var step = first; step < end; step += K_STEP) {
        store_x(x_next, buffer, step, lane);
        store_w(w_next, buffer, lane);
        workgroupBarrier(); // all of the step is there
        x_next = fetch_x(first_row, step + K_STEP, lane);
        w_next = fetch_w(first_group, step + K_STEP, lane);
        for (var part = 0u; part < STEP_PARTS; part++) {
            let from_x = (buffer * STEP_PARTS + part) * X_STRIDE + 4u * row_lane;
            let from_w = (buffer * STEP_PARTS + part) * W_STRIDE + column_lane;
            var value: array<Part, TILE_ROWS>;
            for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
                value[i] = x_tile[from_x + (i / 4u) * 4u * ROW_LANES + i % 4u];
            }
            for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
                let weights = w_tile[from_w + j * COLUMN_LANES];
                for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
                    acc[i * TILE_GROUPS + j] = multiply_part(acc[i * TILE_GROUPS + j], value[i], weights);
                }
            }
        }
        if BUFFERS == 1u {
            workgroupBarrier();
        } else {
            // The other buffer was last read before the barrier above.
            buffer = 1u - buffer;
        }
    }

    for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
        let group = first_group + column_lane + j * COLUMN_LANES;
        let own = column_at(group);
        for (var i = 0u; i < TILE_ROWS; i++) { // unrolled
            let row = first_row + (i / 4u) * 4u * ROW_LANES + 4u * row_lane + i % 4u;
            epilogue_group(row, group, acc[i * TILE_GROUPS + j], own);
        }
    }
    end_epilogue();
}
