// The control workload, timed beside networks: for each image, its first bytes times 16 columns of weights, summed in
// f32. It resembles a network and shares nothing with the kernels, so a change of the kernels does not change it.
// Whoever changes it must change its words in `src/gpu/control_workload.rs` too: earlier results are not comparable any
// more.

struct Shape {
    images: u32,
    words: u32, // summed of each image, four bytes a word
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> pixels: array<u32>; // [images, 196], four bytes a word
@group(0) @binding(2) var<storage, read> weights: array<f32>; // [784, 16]
@group(0) @binding(3) var<storage, read_write> sums: array<f32>; // [images, 16]

const WORDS = 196u;
const COLUMNS = 16u;
const IMAGES = 4u; // of a workgroup
const LANES = 64u; // a column of an image each

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let image = workgroup.x * IMAGES + lane / COLUMNS;
    if image >= shape.images {
        return;
    }
    let column = lane % COLUMNS;
    var sum = 0.0;
    for (var word = 0u; word < shape.words; word += 1u) {
        let bytes = pixels[image * WORDS + word];
        let four = vec4<f32>((vec4<u32>(bytes) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u));
        let at = 4u * word * COLUMNS + column;
        let column_of_four = vec4<f32>(
            weights[at],
            weights[at + COLUMNS],
            weights[at + 2u * COLUMNS],
            weights[at + 3u * COLUMNS],
        );
        sum += dot(four, column_of_four);
    }
    sums[image * COLUMNS + column] = sum;
}
