// How the lanes of a subgroup come by the weights that they load for each other.

alias StoredSlice = Slice;

// Slice `at` of the blocks for inner group `k`.
fn slice_at(k: u32, at: u32) -> Slice {
    return w[k * params.groups * SLICES + at];
}
