// A layer's input are values as the layer before stored them.

alias Input4 = Stored4;

fn begin() {}

fn input_value(stored: Input4) -> Value4 {
    return widen(stored);
}
