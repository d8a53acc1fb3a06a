// Workgroups share the inner dimension. Each multiplies one of PARTS_OF_INNER parts, which are as many whole
// steps as each other, but for the last ones.

#import shared/params

var<private> part_of_inner: u32;

fn begin_inner(part: u32) {
    part_of_inner = part;
}

// Groups of four along the inner dimension in a part.
fn inner_of_part() -> u32 {
    let steps = (params.inner + K_STEP - 1u) / K_STEP;
    return (steps + PARTS_OF_INNER - 1u) / PARTS_OF_INNER * K_STEP;
}

fn first_step() -> u32 {
    return part_of_inner * inner_of_part();
}

fn end_of_steps() -> u32 {
    return min(first_step() + inner_of_part(), params.inner);
}
