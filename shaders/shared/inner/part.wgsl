// Workgroups share the inner dimension. Each multiplies one of PARTS_OF_INNER parts, which differ by one step at
// most.

#import shared/params

var<private> part_of_inner: u32;

fn begin_inner(part: u32) {
    part_of_inner = part;
}

// Where part number `part` begins, in groups of four: at a whole step.
fn first_step(part: u32) -> u32 {
    let steps = (params.inner + K_STEP - 1u) / K_STEP;
    return part * steps / PARTS_OF_INNER * K_STEP;
}

fn end_of_steps(part: u32) -> u32 {
    return min(first_step(part + 1u), params.inner);
}
