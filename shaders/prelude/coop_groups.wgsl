// Takes the sums of a row of matrices from workgroup memory, a group of four after another.
// `first_row` and `first_group` are the workgroup's, `down` is how far down a part its matrices are.
fn finish_matrices(first_row: u32, first_group: u32, down: u32, lane: u32) {
    const PART = SIZE * TILE_GROUPS;
    for (var at = lane; at < DOWN * ACROSS * PART; at += LANES) {
        let part = at / PART;
        let row = at % PART / TILE_GROUPS;
        let group = at % TILE_GROUPS;
        finish_group(
            first_row + (part / ACROSS) * TILE_ROWS + down + row,
            first_group + (part % ACROSS) * TILE_GROUPS + group,
            sums_of(part, row, group),
        );
    }
}
