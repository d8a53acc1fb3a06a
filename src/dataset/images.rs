//! Images, and images with their labels.

use sha2::{Digest, Sha256};

use super::sha256::hex;
use crate::error::{Error, FileError, Result};

/// Images of one size, as the bytes they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// How many.
    pub count: usize,
    /// Columns of one image.
    pub columns: usize,
    /// Pixels of one image (rows × columns).
    pub width: usize,
    /// `[count, width]` row-major, 0 to 255.
    pub pixels: Vec<u8>,
}

impl Images {
    /// The pixels of images `from..to`.
    ///
    /// # Panics
    /// Where the range is not inside `0..count`, as slicing does.
    #[must_use]
    pub fn range(&self, from: usize, to: usize) -> &[u8] {
        &self.pixels[from * self.width..to * self.width]
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// Where an index is not below `count`, as slicing does.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.width);
        for &index in indices {
            pixels.extend_from_slice(self.range(index, index + 1));
        }
        Self {
            count: indices.len(),
            columns: self.columns,
            width: self.width,
            pixels,
        }
    }
}

/// Images, with their labels where those are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Where it comes from, in words.
    pub name: String,
    /// The images.
    pub images: Images,
    /// `[count]`, the index of each image's class; none where the images have none.
    pub labels: Option<Vec<u8>>,
}

impl Dataset {
    /// Joins images and labels.
    ///
    /// # Errors
    /// `Error::File` where their counts differ, or where there are none.
    pub fn new(name: impl Into<String>, images: Images, labels: Vec<u8>) -> Result<Self> {
        let name = name.into();
        if images.count != labels.len() {
            let problem = format!("{} images but {} labels", images.count, labels.len());
            return Err(Error::file(name, FileError::images(problem)));
        }
        let labels = Some(labels);
        Self::unlabelled(name, images).map(|data| Self { labels, ..data })
    }

    /// Images without labels.
    ///
    /// # Errors
    /// `Error::File` where there are none.
    pub fn unlabelled(name: impl Into<String>, images: Images) -> Result<Self> {
        let name = name.into();
        if images.count == 0 {
            return Err(Error::file(name, FileError::images("has no images")));
        }
        Ok(Self {
            name,
            images,
            labels: None,
        })
    }

    /// How many images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images.count
    }

    /// Never true: a data set has at least one image.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images.count == 0
    }

    /// The labels, where something needs them.
    ///
    /// # Errors
    /// `Error::File` where the images have none.
    pub fn labels(&self) -> Result<&[u8]> {
        let labels = self.labels.as_deref();
        labels.ok_or_else(|| Error::file(&self.name, FileError::images("has no labels")))
    }

    /// SHA-256 of the pixels followed by the labels, in hexadecimal: the same for the same images
    /// whether they were compressed or not.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.images.pixels);
        hash.update(self.labels.as_deref().unwrap_or_default());
        hex(&hash.finalize())
    }
}
