//! From outputs to labels.

/// The index of the first largest output of each row. `outputs: [images, out]` row-major.
#[must_use]
pub fn labels(outputs: &[f32], width: usize) -> Vec<usize> {
    outputs.chunks_exact(width).map(label).collect()
}

/// The index of the first largest value.
#[must_use]
pub fn label(row: &[f32]) -> usize {
    let mut best = 0;
    for (index, &value) in row.iter().enumerate() {
        if value > row[best] {
            best = index;
        }
    }
    best
}
