// Passes the sums of a row of matrices from workgroup memory to the epilogue, one group of four at a
// time. `first_row` and `first_group` are those of the workgroup; `down` is the row of the matrices in
// their part.

#import epilogue
#import shared/columns
#import shared/matrix/tiles

fn epilogue_matrices(first_row: u32, first_group: u32, down: u32, lane: u32) {
    const PART = SIZE * TILE_GROUPS;
    for (var at = lane; at < DOWN * ACROSS * PART; at += LANES) {
        let part = at / PART;
        let row = at % PART / TILE_GROUPS;
        let group = at % TILE_GROUPS;
        let to = first_group + (part % ACROSS) * TILE_GROUPS + group;
        epilogue_group(
            first_row + (part / ACROSS) * TILE_ROWS + down + row,
            to,
            sums_of(part, row, group),
            column_at(to),
        );
    }
}
