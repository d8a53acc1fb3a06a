// The extremes of a matrix, found by atomic maxima of words that have the order of f32 numbers. Slot n
// holds the largest value, slot n + 1 the largest negated value. No number maps to zero, so that zero
// means "no value yet".
//
// The binding is at MAXIMA, behind those of the kernel.

@group(0) @binding(MAXIMA) var<storage, read_write> maxima: array<atomic<u32>>;

fn ordered(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn unordered(word: u32) -> f32 {
    return bitcast<f32>(select(~word, word & 0x7fffffffu, word >= 0x80000000u));
}
