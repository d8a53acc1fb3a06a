// The words of float16.

fn widen(words: Stored4) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// The value as it would be after being stored. Always in integers: some drivers (lavapipe of Mesa 26)
// take a conversion to f16 and back for one that changes nothing.
fn as_stored(value: vec4<f32>) -> vec4<f32> {
    return round_to_f16(value);
}
