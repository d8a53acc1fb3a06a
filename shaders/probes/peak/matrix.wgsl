// Measures the peak of matrix units, in registers only. A workgroup is one subgroup. It keeps
// MATRIX_ROWS × 4 matrices of sums; a step adds to each the product of one of MATRIX_ROWS matrices with
// one of four. All values are small whole numbers, so that the sums of a few steps are exact.

#import probes/peak/params
#import matrices

@group(0) @binding(1) var<storage, read_write> results: array<f32>; // [invocations]

const VALUES = SIZE * SIZE;
const FACTORS = MATRIX_ROWS + 4u;

var<workgroup> factors: array<f16, FACTORS * VALUES>;
var<workgroup> sums: array<f32, VALUES>;

// A number from -3 to 4 for each place, from the operands of the host.
fn factor_at(place: u32) -> f16 {
    let low = params.weights_low[place / 4u % 4u];
    let high = params.weights_high[place / 4u % 4u];
    let word = select(low, high, place / 16u % 2u == 1u);
    let number = (word >> (8u * (place % 4u))) + place / 32u;
    return f16(f32(number & 7u) - 3.0);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var place = lane; place < FACTORS * VALUES; place += LANES) {
        factors[place] = factor_at(place);
    }
    workgroupBarrier();
    let stride = SIZE;
    for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
        let left_at_i = i * VALUES;
        let left_i = coopLoadT<Left>(&factors[left_at_i], stride);
    }
    for (var j = 0u; j < 4u; j++) { // spelled out
        let right_at_j = (MATRIX_ROWS + j) * VALUES;
        let right_j = coopLoadT<Right>(&factors[right_at_j], stride);
        for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
            var sum_i_j = Sums();
        }
    }
    for (var done = 0u; done < params.steps; done++) {
        for (var j = 0u; j < 4u; j++) { // spelled out
            for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
                sum_i_j = coopMultiplyAdd(left_i, right_j, sum_i_j);
            }
        }
    }
    var total = 0.0;
    let start = 0u;
    for (var j = 0u; j < 4u; j++) { // spelled out
        for (var i = 0u; i < MATRIX_ROWS; i++) { // spelled out
            coopStoreT(sum_i_j, &sums[start], stride);
            workgroupBarrier();
            for (var place = lane; place < VALUES; place += LANES) {
                total += sums[place];
            }
            workgroupBarrier();
        }
    }
    if id.x < params.invocations {
        results[id.x] = total;
    }
}
