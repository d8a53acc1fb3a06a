// Loads a lane's share of a step of the input into registers: X_LOADS of the ROWS by K_STEP groups, where
// neighbouring lanes read neighbouring groups. Past the edge of the matrix, the last element is read again.
//
// The kernel declares x.

#import shared/params
#import input

const X_VALUES = ROWS * K_STEP;

fn fetch_x(first_row: u32, step: u32, lane: u32) -> array<Input4, X_LOADS> {
    var fetched: array<Input4, X_LOADS>;
    for (var l = 0u; l < X_LOADS; l++) { // unrolled
        let at = lane + l * LANES;
        let row = min(first_row + at / K_STEP, params.rows - 1u);
        fetched[l] = x[row * params.inner + min(step + at % K_STEP, params.inner - 1u)];
    }
    return fetched;
}
