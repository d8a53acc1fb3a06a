// The epilogue of a layer whose inner dimension is divided among workgroups: stores the sums of this
// workgroup's part. kernels/layer/sum adds them.

#import shared/params
#import element
#import pre_activation
#import shared/inner/part

alias Output4 = Acc4;

fn epilogue_group(row: u32, group: u32, sums: Acc4, column: Bias4) {
    if row < params.rows && group < params.groups {
        output[(row * PARTS_OF_INNER + part_of_inner) * params.groups + group] = sums;
    }
}

fn end_epilogue() {}
