// The scale of an int8 tensor.

// From its largest magnitude.
fn scale_from(largest: f32) -> f32 {
    let scale = largest / params.clip;
    return select(1.0, scale, scale > 0.0);
}

// From the bits of its largest magnitude. The bits of non-negative f32 numbers are ordered like the
// numbers, so that an atomic maximum of words finds it.
fn scale_of(max_bits: u32) -> f32 {
    return scale_from(bitcast<f32>(max_bits));
}
