// Loads a slice of a block of weights whose groups have scales from w, for the lanes of a subgroup to share. The scales are stored as
// in weights/block_grouped.

#import shared/params
#import element

alias StoredSlice = vec2<u32>;

// Block number `at` of inner group `k`.
fn slice_at(k: u32, at: u32) -> Slice {
    return Slice(w[k * params.groups + at], w[(params.inner + k / 8u) * params.groups + at]);
}
