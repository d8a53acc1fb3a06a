// A layer's input are int8 codes, four a word.

alias Input4 = u32;

fn begin() {}

fn input_value(word: Input4) -> Value4 {
    return open_codes(word);
}
