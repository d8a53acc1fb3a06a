//! Weights in the order in which a product reads them.
//!
//! A panel is as many columns as a tile of sums is wide. Inside it the weights of one input stand side
//! by side, and the inputs follow one another: a tile reads the panel once, from end to end. The last
//! panel is as many vectors wide as it needs.

use std::ops::Range;

use bytemuck::Pod;

use super::aligned::Aligned;

/// The shape of a layer's panels.
#[derive(Clone, Copy, Debug)]
pub struct PanelShape {
    /// Values of one input row.
    pub inputs: usize,
    /// Values of one output row.
    pub outputs: usize,
    /// Lanes of a vector.
    pub lanes: usize,
    /// Vectors of a panel at most.
    pub vectors: usize,
    /// Neighbouring inputs whose weights stand together: 1, or a group of quantized values.
    pub group: usize,
}

/// One panel.
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// Its first column.
    pub column: usize,
    /// Its width in vectors.
    pub vectors: usize,
    /// Where its weights begin.
    pub start: usize,
}

impl PanelShape {
    /// Columns with those that only fill up the last vector.
    pub fn padded_outputs(self) -> usize {
        self.outputs.next_multiple_of(self.lanes)
    }

    /// Groups of inputs, the last perhaps filled up.
    pub fn groups(self) -> usize {
        self.inputs.div_ceil(self.group)
    }

    /// The panels from left to right.
    pub fn panels(self) -> impl Iterator<Item = Panel> {
        let width = self.lanes * self.vectors;
        let panel = move |column: usize| Panel {
            column,
            vectors: self
                .vectors
                .min((self.outputs - column).div_ceil(self.lanes)),
            // Every panel before it is full.
            start: column * self.groups() * self.group,
        };
        (0..self.outputs).step_by(width).map(panel)
    }

    /// Puts `weights: [inputs, outputs]`, converted, into panels. A column that only fills up is a
    /// copy of the last one where `copies`, else zero; an input that does so is zero.
    pub fn pack<T: Copy, W: Pod>(
        self,
        weights: &[T],
        copies: bool,
        convert: impl Fn(T) -> W,
    ) -> Aligned<W> {
        let depth = self.groups() * self.group;
        let mut packed = Aligned::zeroed(self.padded_outputs() * depth);
        for panel in self.panels() {
            let columns = panel.columns(self.lanes);
            let width = columns.len();
            for (offset, column) in columns.enumerate() {
                if column >= self.outputs && !copies {
                    break;
                }
                let column = column.min(self.outputs - 1);
                for input in 0..self.inputs {
                    let (group, member) = (input / self.group, input % self.group);
                    let at = panel.start + (group * width + offset) * self.group + member;
                    packed[at] = convert(weights[input * self.outputs + column]);
                }
            }
        }
        packed
    }

    /// A bias filled up: with `filler`, or with copies of the last one where there is none.
    pub fn pad_bias(self, bias: &[f32], filler: Option<f32>) -> Aligned<f32> {
        let mut padded = Aligned::zeroed(self.padded_outputs());
        padded.fill(filler.or(bias.last().copied()).unwrap_or(0.0));
        padded[..bias.len()].copy_from_slice(bias);
        padded
    }
}

impl Panel {
    /// Its columns, those that only fill up included.
    pub fn columns(self, lanes: usize) -> Range<usize> {
        self.column..self.column + self.vectors * lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_is_where_a_tile_reads_it() {
        for (inputs, outputs, group) in [(5, 7, 1), (6, 8, 2), (7, 9, 4), (1, 1, 4), (3, 21, 2)] {
            let shape = PanelShape {
                inputs,
                outputs,
                lanes: 4,
                vectors: 2,
                group,
            };
            let weights: Vec<i8> = (0..inputs * outputs).map(|i| (i + 1) as i8).collect();
            for copies in [false, true] {
                let packed = shape.pack(&weights, copies, |weight| weight);
                let mut at = 0;
                for first in (0..outputs).step_by(8) {
                    let width = (outputs - first).min(8).next_multiple_of(4);
                    for input in (0..inputs).step_by(group) {
                        for column in first..first + width {
                            for k in input..input + group {
                                let filled = column < outputs || copies;
                                let want = if k < inputs && filled {
                                    weights[k * outputs + column.min(outputs - 1)]
                                } else {
                                    0
                                };
                                assert_eq!(packed[at], want, "{shape:?} {column} {k}");
                                at += 1;
                            }
                        }
                    }
                }
                assert_eq!(packed.len(), at);
            }
        }
    }
}
