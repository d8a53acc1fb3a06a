// The input of a layer is quantized values of int8, four in a word.

#import element

alias Input4 = u32;

fn begin_input() {}

fn input_value(word: Input4) -> Value4 {
    return open_quantized(word);
}
