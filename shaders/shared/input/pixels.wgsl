// The input of a layer is pixels: p / 255, rounded as the precision stores it. Unpacking may be off by
// one or two f32 ULP; no such error crosses a rounding tie of binary16 (the tests try all 256 bytes).

#import element

alias Input4 = u32;

fn begin_input() {}

fn input_value(word: Input4) -> Value4 {
    return to_value(as_stored(unpack4x8unorm(word)));
}
