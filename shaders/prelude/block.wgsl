// How a body comes by a block of weights: from w, whose blocks lie row by row from `first` on.

fn block_at(first: u32, inner: u32, groups: u32, k: u32, group: u32) -> Block {
    return open_block(w[first + k * groups + group]);
}
