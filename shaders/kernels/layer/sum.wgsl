// Ends a layer whose inner dimension was divided among workgroups: adds the sums of the parts. One invocation
// computes one group of four columns of a row.
//
// x: the layer's input, of which it reads only scales
// sums: [rows, PARTS_OF_INNER, groups]
// bias: [groups], output: [rows, groups]

#import shared/params
#import element
#import pre_activation
#import input
#import epilogue
#import shared/columns

@group(0) @binding(1) var<storage, read> x: array<Input4>;
@group(0) @binding(2) var<storage, read> sums: array<Acc4>;
@group(0) @binding(3) var<storage, read> bias: array<Bias4>;
@group(0) @binding(4) var<storage, read_write> output: array<Output4>;

const COLUMN_LANES = LANES / ROW_LANES;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    begin_input();
    let row = workgroup.y * ROW_LANES + lane / COLUMN_LANES;
    let group = workgroup.x * COLUMN_LANES + lane % COLUMN_LANES;
    if row < params.rows && group < params.groups {
        let first = row * PARTS_OF_INNER * params.groups + group;
        var acc: Acc4;
        for (var part = 0u; part < PARTS_OF_INNER; part++) { // unrolled
            acc += sums[first + part * params.groups];
        }
        epilogue_group(row, group, acc, column_at(group));
    }
    end_epilogue();
}
