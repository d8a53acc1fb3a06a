// A layer's input are pixels / 255 with static codes: of byte p it is p - 128, and so p with its highest
// bit turned over.

alias Input4 = u32;

fn begin() {}

fn input_value(word: Input4) -> Value4 {
    return open_codes(word ^ 0x80808080u);
}
