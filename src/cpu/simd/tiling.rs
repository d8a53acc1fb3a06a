//! How products are cut into tiles and blocks of rows.

/// Rows of sums that a tile of a product keeps in registers.
pub(in crate::cpu) const TILE_ROWS: usize = 6;

/// Rows of a block at most: with so many, weights are read seldom enough.
pub(in crate::cpu) const BLOCK_ROWS: usize = 16 * TILE_ROWS;

/// Words of four bytes from one row of a block to the next: a cache line more than the row, so that the
/// rows of a tile do not all fall into the same set of a cache.
pub(in crate::cpu) fn stride(width: usize) -> usize {
    width.next_multiple_of(16) + 16
}
