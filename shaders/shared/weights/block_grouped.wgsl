// Loads a block of weights whose groups have scales from w. The scales are stored behind all blocks: four f16 values for
// each group of columns and each eight blocks (32 inner values).

#import element

fn block_at(first: u32, inner: u32, groups: u32, k: u32, group: u32) -> Block {
    let scales = w[first + (inner + k / 8u) * groups + group];
    return open_block(w[first + k * groups + group], scales);
}
