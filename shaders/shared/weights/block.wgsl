// Loads a block of weights from w, where the blocks are stored row by row from `first` on.

#import element

fn block_at(first: u32, inner: u32, groups: u32, k: u32, group: u32) -> Block {
    return open_block(w[first + k * groups + group]);
}
