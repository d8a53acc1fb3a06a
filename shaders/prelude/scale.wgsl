// The scale of an int8 tensor, from the bits of its largest magnitude. The bits of non-negative
// f32 numbers are ordered like the numbers, so that an atomic maximum of words finds it.

fn scale_of(max_bits: u32) -> f32 {
    let scale = bitcast<f32>(max_bits) / params.clip;
    return select(1.0, scale, scale > 0.0);
}
