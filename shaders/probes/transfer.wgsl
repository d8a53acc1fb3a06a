// Stands for a network where the ways to the device and back are compared: it reads every word of its input once and
// writes every word of its output once, and the words say what was read.

struct Shape {
    inputs: u32, // words
    outputs: u32, // words
}

@group(0) @binding(0) var<uniform> shape: Shape;
@group(0) @binding(1) var<storage, read> inputs: array<u32>;
@group(0) @binding(2) var<storage, read_write> outputs: array<u32>;

const LANES = 64u;

@compute @workgroup_size(LANES)
fn main(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
) {
    let lanes = LANES * workgroups.x;
    var sum = 0u;
    for (var at = id.x; at < shape.inputs; at += lanes) {
        sum += inputs[at];
    }
    for (var at = id.x; at < shape.outputs; at += lanes) {
        outputs[at] = sum;
    }
}
