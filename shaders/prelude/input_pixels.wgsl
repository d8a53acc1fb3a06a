// A layer's input are pixels: p / 255 as the precision stores it. The unpacking may be off by an f32
// ULP or two; no such error reaches across a rounding tie of binary16 (the tests try all 256 bytes).

alias Input4 = u32;

fn begin() {}

fn input_value(word: Input4) -> Value4 {
    return to_value(as_stored(unpack4x8unorm(word)));
}
