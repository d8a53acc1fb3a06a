// How a body comes by a block of int4 weights: behind all blocks lie the scales, four for each group of
// columns and each eight blocks (32 inner values).

fn block_at(first: u32, inner: u32, groups: u32, k: u32, group: u32) -> Block {
    let scales = w[first + (inner + k / 8u) * groups + group];
    return open_block(w[first + k * groups + group], scales);
}
