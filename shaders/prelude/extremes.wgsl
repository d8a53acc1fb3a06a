// The extremes of a matrix, found by atomic maxima on words that are ordered like f32 numbers: slot n
// holds the largest value, slot n + 1 the largest of the negated ones. Zero, which no number becomes,
// stands for "none yet".

@group(0) @binding(MAXIMA) var<storage, read_write> maxima: array<atomic<u32>>;

fn ordered(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn unordered(word: u32) -> f32 {
    return bitcast<f32>(select(~word, word & 0x7fffffffu, word >= 0x80000000u));
}
