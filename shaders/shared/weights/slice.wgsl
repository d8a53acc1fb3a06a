// Loads a slice of a block of weights from w, for the lanes of a subgroup to share.

#import shared/params
#import element

alias StoredSlice = Slice;

// Slice number `at` of the blocks of inner group `k`.
fn slice_at(k: u32, at: u32) -> Slice {
    return w[k * params.groups * SLICES + at];
}
