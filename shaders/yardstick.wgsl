// Fixed work, to be timed beside networks: for each image the sums of its 784 bytes with 64 columns of
// weights, in f32. It is of the networks' character and shares nothing with their kernels, so that a change
// of these does not change it. Whoever changes it changes its words in `src/gpu/yardstick.rs` too: earlier
// results are not comparable any more.

@group(0) @binding(0) var<uniform> images: vec4<u32>;
@group(0) @binding(1) var<storage, read> pixels: array<u32>; // [images, 196], four bytes a word
@group(0) @binding(2) var<storage, read> weights: array<f32>; // [784, 64]
@group(0) @binding(3) var<storage, read_write> sums: array<f32>; // [images, 64]

const WORDS = 196u;
const LANES = 64u; // a column each

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) column: u32,
) {
    let image = workgroup.x;
    if image >= images.x {
        return;
    }
    var sum = 0.0;
    for (var word = 0u; word < WORDS; word += 1u) {
        let bytes = pixels[image * WORDS + word];
        let four = vec4<f32>((vec4<u32>(bytes) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
        let at = 4u * word * LANES + column;
        let column_of_four = vec4<f32>(
            weights[at],
            weights[at + LANES],
            weights[at + 2u * LANES],
            weights[at + 3u * LANES],
        );
        sum += dot(four, column_of_four);
    }
    sums[image * LANES + column] = sum;
}
