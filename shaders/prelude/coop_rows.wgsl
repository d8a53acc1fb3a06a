// Takes the sums of a row of matrices from workgroup memory, whole rows of one part, which is all there
// is. `down` is how far down the part its matrices are.
fn finish_matrices(first_row: u32, first_group: u32, down: u32, lane: u32) {
    for (var row = lane; row < SIZE; row += LANES) {
        var sums: array<Acc4, TILE_GROUPS>;
        for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
            sums[j] = sums_of(0u, row, j);
        }
        finish(first_row + down + row, first_group, sums);
    }
}
