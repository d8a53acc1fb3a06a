// How the lanes of a subgroup come by the int4 weights that they load for each other; the scales lie as
// block_int4 says.

alias StoredSlice = vec2<u32>;

// Block `at` of those for inner group `k`.
fn slice_at(k: u32, at: u32) -> Slice {
    return Slice(w[k * params.groups + at], w[(params.inner + k / 8u) * params.groups + at]);
}
