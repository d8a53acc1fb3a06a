// The input of a layer is pixels / 255 with a static scale: the quantized value of byte p is p - 128,
// which is p with its highest bit inverted.

#import element

alias Input4 = u32;

fn begin_input() {}

fn input_value(word: Input4) -> Value4 {
    return open_quantized(word ^ 0x80808080u);
}
