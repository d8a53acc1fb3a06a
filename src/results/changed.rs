//! The images that the precisions label differently.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

/// The most changed images that a result keeps for each batch size.
pub const MOST_CHANGED: usize = 24;

/// The images of one batch size whose label is not the same in every precision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// The batch size that ran.
    pub batch: usize,
    /// How many there are.
    pub total: usize,
    /// Some of them, at most [`MOST_CHANGED`], sorted by index. Each precision in turn contributes its next one in
    /// the order of the data set.
    pub images: Vec<ChangedImage>,
}

/// An image, and the label that each precision gives it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangedImage {
    /// Its place in the data set.
    pub index: usize,
    /// Its class; none where the images have no labels.
    pub truth: Option<usize>,
    /// Its pixels, row after row; base64 in JSON.
    #[serde(serialize_with = "base64")]
    pub pixels: Vec<u8>,
    /// The answer of each precision. f32 is included even where the user did not ask for it.
    pub answers: Vec<Answer>,
}

/// The label and the outputs that one precision gives an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// The precision's name in the rows.
    pub name: String,
    /// Its label: the first largest output.
    pub label: usize,
    /// Its outputs: probabilities where the last layer is a softmax.
    pub outputs: Vec<f32>,
}

fn base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}
