//! A network: its operations and layers, how its input is normalized, and its file format.

mod activation;
mod architecture;
mod file;
mod graph;
mod label;
mod network;
mod normalization;
mod random;
mod stored;
mod tensors;

pub use activation::Activation;
pub use architecture::{Architecture, DEFAULT_INT8_CLIP, Format, InputFormat, LayerShape};
pub(crate) use file::{QUANTIZED, sort_metadata};
pub use graph::{Graph, Operation, OperationKind, Shape, ValueId};
pub use label::{label, labels};
pub use network::{Layer, Network};
pub use normalization::Normalization;
pub use random::{MOST_PARAMETERS, classifier_activations};
pub(crate) use random::{check_parameters, random_layers};
pub(crate) use stored::{
    MODE_KEYS, classes as stored_classes, entry, mode as stored_mode, mode_entries,
};
pub(crate) use tensors::{Element, Tensors};
