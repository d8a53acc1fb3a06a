// The scale of an int8 tensor in the reference scheme.

#import shared/params
#import shared/exact

// The scale from the largest magnitude.
fn scale_from(largest: f32) -> f32 {
    return usable_or_one(divided(largest, u32(params.clip)));
}

// The scale from the bits of the largest magnitude. The bits of non-negative f32 numbers have the order of
// the numbers, so that an atomic maximum of words finds the largest magnitude.
fn scale_of(max_bits: u32) -> f32 {
    return scale_from(bitcast<f32>(max_bits));
}
