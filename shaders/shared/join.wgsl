// Lanes that share a group of outputs, each with a part of the inner dimension, in kernels of a whole network.

#import element

const COLUMN_LANES = LANES / K_LANES;

var<workgroup> partial: array<Acc4, LANES>;

// Adds the sums of the lanes that share a group; the lanes before COLUMN_LANES get the total.
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
