// Finds how many lanes a subgroup has in a kernel for matrix units. A driver with several subgroup
// sizes chooses one for each kernel. The probe multiplies a matrix, so that the driver chooses as it
// does for kernels that multiply many.

#import matrices

@group(0) @binding(1) var<storage, read_write> found: array<u32>; // lanes of a subgroup, subgroups, a product

const VALUES = SIZE * SIZE;

var<workgroup> factors: array<f16, VALUES>;
var<workgroup> sums: array<f32, VALUES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_size) size: u32,
    @builtin(num_subgroups) count: u32,
) {
    for (var place = lane; place < VALUES; place += LANES) {
        factors[place] = f16(1.0);
    }
    workgroupBarrier();
    let start = 0u;
    let stride = SIZE;
    let left = coopLoadT<Left>(&factors[start], stride);
    let right = coopLoadT<Right>(&factors[start], stride);
    let product = coopMultiplyAdd(left, right, Sums());
    coopStoreT(product, &sums[start], stride);
    workgroupBarrier();
    if lane == 0u {
        found[0] = size;
        found[1] = count;
        found[2] = u32(sums[VALUES - 1u]);
    }
}
