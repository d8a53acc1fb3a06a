// Passes the sums of a row of matrices from workgroup memory to the epilogue, one whole row at a time.
// The workgroup has one part; `down` is the row of the matrices in it.

#import element
#import epilogue
#import shared/columns
#import shared/matrix/tiles

fn epilogue_matrices(first_row: u32, first_group: u32, down: u32, lane: u32) {
    let columns = columns_from(first_group);
    for (var row = lane; row < SIZE; row += LANES) {
        var sums: array<Acc4, TILE_GROUPS>;
        for (var j = 0u; j < TILE_GROUPS; j++) { // unrolled
            sums[j] = sums_of(0u, row, j);
        }
        epilogue_row(first_row + down + row, first_group, sums, columns);
    }
}
