// output = activation(z). ACTIVATION is 0 relu, 1 sigmoid, 2 tanh, 3 identity.

@group(0) @binding(1) var<storage, read> z: array<vec4<f32>>;         // [rows, groups]
@group(0) @binding(2) var<storage, read_write> output: array<Elem4>;  // [rows, groups]

fn activate(value: vec4<f32>) -> vec4<f32> {
    // Clamped where the function has long reached its limit: some drivers' exp and tanh give
    // infinity or NaN for large arguments.
    switch ACTIVATION {
        case 0u: { return max(value, vec4<f32>()); }
        case 1u: { return 1.0 / (1.0 + exp(-clamp(value, vec4<f32>(-88.0), vec4<f32>(88.0)))); }
        case 2u: { return tanh(clamp(value, vec4<f32>(-10.0), vec4<f32>(10.0))); }
        default: { return value; }
    }
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) grid: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_index(workgroup, grid.x, lane);
    if index >= params.rows * params.groups {
        return;
    }
    // The padding becomes zero again: sigmoid of zero is not.
    output[index] = narrow(without_padding(activate(z[index]), index));
}
