//! The images of a search: some to choose by, the others to confirm the choice; and whether the network has learned from
//! them.

use crate::dataset::{Dataset, HELD_OUT, Holdout};
use crate::error::{Error, FileError, Result};
use crate::model::Network;

/// The fewest images of a training split: two are held back, one to choose by and one to confirm.
const FEWEST: usize = 10;

/// Images that nothing was calibrated on.
#[derive(Clone, Debug)]
pub struct SearchImages {
    /// Every assignment is measured on these.
    pub choosing: Dataset,
    /// Only the chosen assignment, and f32 beside it.
    pub confirming: Dataset,
    /// Whether the network has learned from them.
    pub exposure: Exposure,
}

/// Whether a network has learned from the images that a search measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// It was trained on this split, and training held these images back.
    HeldBack,
    /// It was trained on another split.
    OtherSplit,
    /// It does not say what it was trained on.
    Unknown,
}

impl Exposure {
    /// The name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HeldBack => "held-back",
            Self::OtherSplit => "other-split",
            Self::Unknown => "unknown",
        }
    }

    /// By what the metadata say that `train` writes: the hash of the split, and how many images it held back.
    fn of(model: &Network, data: &Dataset, held: usize) -> Self {
        let entry = |key: &str| model.provenance.get(key).map(String::as_str);
        match entry("data_sha256") {
            None => Self::Unknown,
            Some(trained) if trained != data.sha256() => Self::OtherSplit,
            Some(_) if entry("validation_images") == Some(&*held.to_string()) => Self::HeldBack,
            Some(_) => Self::Unknown,
        }
    }
}

impl SearchImages {
    /// The images that `train` does not train on, half of them to choose by.
    ///
    /// # Errors
    /// `Error::File` where the training split has too few images.
    pub fn new(training: &Dataset, model: &Network) -> Result<Self> {
        if training.len() < FEWEST {
            return Err(Error::file(
                &training.name,
                FileError::unsuitable(
                    format!(
                        "it has {} images, too few to hold some back",
                        training.len()
                    ),
                    format!("give at least {FEWEST}"),
                ),
            ));
        }
        let held = Holdout::new(training.len(), HELD_OUT).validation;
        let labels = training.labels()?;
        let part = |which: &str, indices: &[usize]| {
            let labels = indices.iter().map(|&index| labels[index]).collect();
            let name = format!("{}, validation images {which}", training.name);
            Dataset::new(name, training.images.select(indices), labels)
        };
        // Drawn at random already.
        let (choosing, confirming) = held.split_at(held.len() / 2);
        Ok(Self {
            choosing: part("to choose by", choosing)?,
            confirming: part("to confirm with", confirming)?,
            exposure: Exposure::of(model, training, held.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Images;
    use crate::model::classifier_activations;

    fn training(count: usize) -> Dataset {
        let images = Images {
            count,
            width: 1,
            columns: 1,
            pixels: (0..count).map(|index| index as u8).collect(),
        };
        Dataset::new("some", images, vec![0; count]).unwrap()
    }

    #[test]
    fn no_image_is_on_both_sides_nor_trained_on() {
        let (data, model) = (training(100), model(&[]));
        let images = SearchImages::new(&data, &model).unwrap();
        let mut all = [&images.choosing, &images.confirming].map(|one| one.images.pixels.clone());
        assert_eq!(all.each_ref().map(Vec::len), [10, 10]);
        let mut held: Vec<u8> = all.concat();
        held.sort_unstable();
        held.dedup();
        assert_eq!(held.len(), 20, "an image is on both sides");
        let trained = Holdout::new(100, HELD_OUT).training;
        assert!(!trained.iter().any(|&index| held.contains(&(index as u8))));
        all[0].sort_unstable();
        assert_ne!(all[0], held[..10], "the halves are those of the file");
        assert!(SearchImages::new(&training(9), &model).is_err());
    }

    fn model(entries: &[(&str, String)]) -> Network {
        let mut model = Network::random(&[1, 2], &classifier_activations(1), 0).unwrap();
        let entries = entries.iter();
        let entries = entries.map(|(key, value)| ((*key).to_owned(), value.clone()));
        model.provenance.extend(entries);
        model
    }

    #[test]
    fn the_metadata_say_whether_the_network_has_seen_them() {
        let data = training(100);
        let of = |entries: &[(&str, String)]| {
            let images = SearchImages::new(&data, &model(entries));
            images.unwrap().exposure
        };
        let hash = ("data_sha256", data.sha256());
        let held = ("validation_images", "20".to_owned());
        assert_eq!(of(&[hash.clone(), held.clone()]), Exposure::HeldBack);
        let other = ("data_sha256", training(99).sha256());
        assert_eq!(of(&[other, held.clone()]), Exposure::OtherSplit);
        assert_eq!(of(&[held]), Exposure::Unknown);
        // Trained with fewer images held back: some of these were trained on.
        let fewer = ("validation_images", "5".to_owned());
        assert_eq!(of(&[hash.clone(), fewer]), Exposure::Unknown);
        assert_eq!(of(&[hash]), Exposure::Unknown);
    }
}
