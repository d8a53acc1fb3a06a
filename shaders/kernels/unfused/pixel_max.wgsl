// Finds the largest byte of a batch. The result is stored twice: as a number at slot_in, for exact
// integer quantization, and as a magnitude (byte / 255) at slot_out, for the scale.

#import shared/params
#import shared/exact

@group(0) @binding(1) var<storage, read> pixels: array<u32>;                   // [rows, groups]
@group(0) @binding(2) var<storage, read_write> maxima: array<atomic<u32>>;     // [slots]

var<workgroup> largest: array<u32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    // No byte is larger than 255. Once one was found, the others need not be read.
    let largest_of_all = atomicLoad(&maxima[params.slot_in]) == 255u;
    let span = select(SPAN, 0u, largest_of_all);
    let count = params.rows * params.groups;
    let first = (workgroup.y * grid.x + workgroup.x) * LANES * SPAN + lane;
    var found = vec4<u32>();
    for (var i = 0u; i < span; i++) {
        // Padding is zero and never the largest. Past the end, the last word is read again.
        // Each byte is shifted to the top of a word, so that the bits below it do not affect the maximum.
        let word = vec4<u32>(pixels[min(first + i * LANES, count - 1u)]);
        found = max(found, word << vec4<u32>(24u, 16u, 8u, 0u));
    }
    var byte = max(max(found.x, found.y), max(found.z, found.w)) >> 24u;
    largest[lane] = byte;
    workgroupBarrier();
    if lane == 0u && !largest_of_all {
        for (var other = 1u; other < LANES; other++) {
            byte = max(byte, largest[other]);
        }
        atomicMax(&maxima[params.slot_in], byte);
        atomicMax(&maxima[params.slot_out], bitcast<u32>(divided(f32(byte), 255u)));
    }
}
