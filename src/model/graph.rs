//! How values flow through a network: its operations, what each reads and writes, and the shapes.
//!
//! A graph has no parameters. An operation with weights names its layer by index, so that a network, its quantized
//! network and its architecture share one graph, each with its own list of layers.

use std::fmt;
use std::path::Path;

use crate::error::{Error, FileError, Result};

/// A value that flows between operations: its index in [`Graph::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ValueId(pub usize);

/// The shape of a value without the batch's dimension: `[features]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(pub Vec<usize>);

impl Shape {
    /// Numbers of one image.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().product()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[N")?;
        self.0.iter().try_for_each(|size| write!(f, ", {size}"))?;
        f.write_str("]")
    }
}

/// What an operation computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// activation(x·W + b) of one value, with the parameters of the layer of this index.
    Dense(usize),
}

/// One operation of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it computes.
    pub kind: OperationKind,
    /// The values that it reads.
    pub inputs: Vec<ValueId>,
    /// The value that it writes.
    pub output: ValueId,
}

impl Operation {
    /// The layer whose parameters it uses.
    #[must_use]
    pub fn layer(&self) -> usize {
        let OperationKind::Dense(layer) = self.kind;
        layer
    }

    /// The value that a dense operation reads.
    ///
    /// # Panics
    /// Where it reads none, which [`Graph::check`] refuses.
    #[must_use]
    pub fn input(&self) -> ValueId {
        self.inputs[0]
    }
}

/// The operations of a network in the order in which they run.
///
/// The input is the value 0. Each operation reads values that stand before it, and the last one writes the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// The shape of each value.
    pub values: Vec<Shape>,
    /// The operations, first to last.
    pub operations: Vec<Operation>,
}

impl Graph {
    /// The value that images are.
    pub const INPUT: ValueId = ValueId(0);

    /// Dense layers of these `[inputs, outputs]`, each of which reads what the one before writes.
    #[must_use]
    pub fn chain(layers: impl IntoIterator<Item = [usize; 2]>) -> Self {
        let mut graph = Self {
            values: Vec::new(),
            operations: Vec::new(),
        };
        for (layer, [inputs, outputs]) in layers.into_iter().enumerate() {
            if layer == 0 {
                graph.values.push(Shape(vec![inputs]));
            }
            graph.values.push(Shape(vec![outputs]));
            graph.operations.push(Operation {
                kind: OperationKind::Dense(layer),
                inputs: vec![ValueId(layer)],
                output: ValueId(layer + 1),
            });
        }
        graph
    }

    /// Numbers of one image.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.values.first().map_or(0, Shape::size)
    }

    /// Numbers of one row of the output.
    #[must_use]
    pub fn outputs(&self) -> usize {
        let last = self.operations.last();
        last.map_or(0, |last| self.values[last.output.0].size())
    }

    /// A layer that reads the network's input, the first of several; 0 of an empty graph.
    #[must_use]
    pub fn first_layer(&self) -> usize {
        let first = self.readers(Self::INPUT).next();
        first.map_or(0, |(_, first)| first.layer())
    }

    /// The layer that writes the network's output; 0 of an empty graph.
    #[must_use]
    pub fn last_layer(&self) -> usize {
        self.operations.last().map_or(0, Operation::layer)
    }

    /// Whether the output of a layer is that of the network.
    #[must_use]
    pub fn is_last(&self, layer: usize) -> bool {
        self.last_layer() == layer
    }

    /// Whether the layers follow each other in order, and each reads what the one before writes.
    #[must_use]
    pub fn is_chain(&self) -> bool {
        let mut before = Self::INPUT;
        self.operations.iter().enumerate().all(|(at, operation)| {
            let follows = operation.layer() == at && operation.inputs == [before];
            before = operation.output;
            follows
        })
    }

    /// Checks that a file can hold it: its layers are stored in order, without what each reads.
    pub(crate) fn check_storable(&self, path: &Path) -> Result<()> {
        if self.is_chain() {
            return Ok(());
        }
        let problem =
            "has branches, but a model file holds only layers of which each reads the one before";
        let remedy = "use a network without branches";
        Err(Error::file(path, FileError::unsuitable(problem, remedy)))
    }

    /// The operation that writes a value; none of the network's input.
    #[must_use]
    pub fn writer(&self, value: ValueId) -> Option<&Operation> {
        let mut operations = self.operations.iter();
        operations.find(|operation| operation.output == value)
    }

    /// The operations that read a value, with their places in the order.
    pub fn readers(&self, value: ValueId) -> impl DoubleEndedIterator<Item = (usize, &Operation)> {
        let operations = self.operations.iter().enumerate();
        operations.filter(move |(_, operation)| operation.inputs.contains(&value))
    }

    /// The layer whose output a layer reads; none where it reads the network's input.
    #[must_use]
    pub fn layer_before(&self, layer: usize) -> Option<usize> {
        let mut operations = self.operations.iter();
        let reader = operations.find(|operation| operation.layer() == layer)?;
        self.writer(reader.input()).map(Operation::layer)
    }

    /// A layer that reads the output of `layer`, the first of several; none of the last one.
    #[must_use]
    pub fn layer_after(&self, layer: usize) -> Option<usize> {
        let mut operations = self.operations.iter();
        let writer = operations.find(|operation| operation.layer() == layer)?;
        let (_, reader) = self.readers(writer.output).next()?;
        Some(reader.layer())
    }

    /// A buffer for each value, by number: values share one where the first has been read for the last time before
    /// the other is written. `in_place`: an operation may write to the buffer that it reads.
    #[must_use]
    pub fn buffers(&self, in_place: bool) -> Vec<usize> {
        let mut buffers = vec![0; self.values.len()];
        // The values in use, with the operation that reads each last.
        let last_read = |value: ValueId| self.readers(value).next_back().map(|(at, _)| at);
        let mut held = vec![(Self::INPUT, last_read(Self::INPUT))];
        for (at, operation) in self.operations.iter().enumerate() {
            held.retain(|&(_, last)| last > Some(at) || last == Some(at) && !in_place);
            let free = |buffer: &usize| held.iter().all(|(value, _)| buffers[value.0] != *buffer);
            let buffer = (0..).find(free).unwrap_or(0);
            buffers[operation.output.0] = buffer;
            held.push((operation.output, last_read(operation.output)));
            held.retain(|&(_, last)| last > Some(at));
        }
        buffers
    }

    /// Checks the order, and the shapes against the `[inputs, outputs]` of the layers.
    ///
    /// # Errors
    /// What is wrong, to stand behind the name of the network.
    pub fn check(&self, layers: &[[usize; 2]]) -> std::result::Result<(), String> {
        let mut written = vec![false; self.values.len()];
        let mut used = vec![false; layers.len()];
        let size = |value: ValueId| self.values.get(value.0).map(Shape::size);
        if let Some(input) = written.first_mut() {
            *input = true;
        }
        for (index, operation) in self.operations.iter().enumerate() {
            let layer = operation.layer();
            let (&[value], Some(&[inputs, outputs])) =
                (operation.inputs.as_slice(), layers.get(layer))
            else {
                return Err(format!(
                    "has a dense operation {index} without its layer or its input"
                ));
            };
            if inputs == 0 || outputs == 0 {
                return Err(format!("layers.{layer} is empty: {inputs}×{outputs}"));
            }
            if written.get(value.0) != Some(&true) {
                return Err(format!(
                    "layers.{layer} reads a value that no operation before it writes"
                ));
            }
            if let Some(width) = size(value).filter(|&width| width != inputs) {
                return Err(format!(
                    "layers.{layer} has {inputs} inputs, but the layer before it has {width} outputs"
                ));
            }
            let fresh = written.get(operation.output.0) == Some(&false);
            if !fresh || size(operation.output) != Some(outputs) || used[layer] {
                return Err(format!(
                    "layers.{layer} does not write a value of its own of {outputs} numbers"
                ));
            }
            written[operation.output.0] = true;
            used[layer] = true;
        }
        if self.operations.is_empty() || !written.iter().chain(&used).all(|&seen| seen) {
            return Err("has values or layers that no operation uses".into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers by the values that they read and write.
    fn graph(shapes: &[usize], operations: &[(usize, usize)]) -> Graph {
        let operation = |(layer, &(input, output)): (usize, &(usize, usize))| Operation {
            kind: OperationKind::Dense(layer),
            inputs: vec![ValueId(input)],
            output: ValueId(output),
        };
        Graph {
            values: shapes.iter().map(|&size| Shape(vec![size])).collect(),
            operations: operations.iter().enumerate().map(operation).collect(),
        }
    }

    #[test]
    fn a_chain_takes_two_buffers_in_turn_and_one_in_place() {
        let chain = Graph::chain([[784, 64], [64, 32], [32, 10]]);
        assert!(chain.is_chain());
        assert_eq!(chain.values[3].to_string(), "[N, 10]");
        assert_eq!(chain.buffers(false), [0, 1, 0, 1]);
        assert_eq!(chain.buffers(true), [0, 0, 0, 0]);
        assert_eq!(
            (chain.layer_before(0), chain.layer_before(2)),
            (None, Some(1))
        );
        assert_eq!(
            (chain.layer_after(0), chain.layer_after(2)),
            (Some(1), None)
        );
        assert_eq!(chain.check(&[[784, 64], [64, 32], [32, 10]]), Ok(()));
    }

    #[test]
    fn a_value_keeps_its_buffer_until_it_is_read_for_the_last_time() {
        // Value 1 is read by the layers 1 and 3; what the layer 2 writes nobody reads.
        let branched = graph(&[4, 3, 3, 3, 2], &[(0, 1), (1, 2), (2, 3), (1, 4)]);
        assert!(!branched.is_chain());
        assert_eq!(branched.check(&[[4, 3], [3, 3], [3, 3], [3, 2]]), Ok(()));
        let buffers = branched.buffers(false);
        assert!(
            [2, 3]
                .iter()
                .all(|&value: &usize| buffers[value] != buffers[1]),
            "{buffers:?}"
        );
        let buffers = branched.buffers(true);
        assert!(
            [2, 3]
                .iter()
                .all(|&value: &usize| buffers[value] != buffers[1]),
            "{buffers:?}"
        );
        assert_eq!(branched.readers(ValueId(1)).count(), 2);
        assert_eq!(branched.layer_before(3), Some(0));
    }

    #[test]
    fn graphs_that_cannot_run_are_refused() {
        let layers = [[4, 3], [3, 2]];
        let refused = |shapes: &[usize], operations: &[(usize, usize)], says: &str| {
            let problem = graph(shapes, operations).check(&layers).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        };
        let before = "reads a value that no operation before it writes";
        refused(&[4, 3, 2], &[(1, 2), (0, 1)], before);
        refused(&[4, 3, 2], &[(7, 1), (1, 2)], before);
        refused(&[4, 3, 2], &[(0, 1), (0, 2)], "has 3 inputs");
        refused(
            &[4, 3, 2],
            &[(0, 1), (1, 1)],
            "does not write a value of its own",
        );
        refused(
            &[4, 3, 2],
            &[(0, 1), (1, 9)],
            "does not write a value of its own",
        );
        refused(
            &[4, 3, 5],
            &[(0, 1), (1, 2)],
            "does not write a value of its own",
        );
        refused(&[4, 3], &[(0, 1)], "that no operation uses");
        refused(&[4, 3, 2, 2], &[(0, 1), (1, 2)], "that no operation uses");
        refused(&[], &[], "that no operation uses");
    }
}
