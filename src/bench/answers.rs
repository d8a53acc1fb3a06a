//! Which classes are confused with which, and which images get another label than in f32.

use crate::Precision;
use crate::dataset::Dataset;
use crate::results::{Answer, Changed, ChangedImage, MOST_CHANGED};

/// The most classes for which a confusion matrix is kept: it has their square of counts.
pub const MOST_CLASSES: usize = 100;

/// How often the images of each class get each label: `[truth][label]`, counts. None where there are more than
/// [`MOST_CLASSES`] classes.
pub(super) fn confusion(labels: &[usize], truth: &[u8], classes: usize) -> Option<Vec<Vec<usize>>> {
    if classes > MOST_CLASSES {
        return None;
    }
    let mut counts = vec![vec![0; classes]; classes];
    for (&label, &truth) in labels.iter().zip(truth) {
        counts[usize::from(truth)][label] += 1;
    }
    Some(counts)
}

/// The answers of a precision for the whole data set.
pub(super) struct Answers<'a> {
    pub(super) name: String,
    pub(super) precision: Precision,
    /// `[images, out]` row-major.
    pub(super) outputs: &'a [f32],
    pub(super) labels: &'a [usize],
}

/// The images that some precision of `all` labels differently from f32.
pub(super) fn changed(all: &[Answers<'_>], data: &Dataset, batch: usize) -> Changed {
    let none = Changed {
        batch,
        total: 0,
        images: Vec::new(),
    };
    let Some(f32) = all.iter().find(|one| one.precision == Precision::F32) else {
        return none;
    };
    let differs = |labels: &[usize], index: usize| labels[index] != f32.labels[index];
    let of_one = |one: &Answers<'_>| {
        let mut images: Vec<usize> = (0..data.len()).collect();
        images.retain(|&index| differs(one.labels, index));
        images
    };
    let changes: Vec<Vec<usize>> = all.iter().map(of_one).collect();
    let mut every: Vec<usize> = changes.iter().flatten().copied().collect();
    every.sort_unstable();
    every.dedup();
    let image = |index: usize| ChangedImage {
        index,
        truth: data.labels.as_ref().map(|labels| labels[index].into()),
        pixels: data.images.range(index, index + 1).to_vec(),
        answers: all.iter().map(|one| answer(one, index)).collect(),
    };
    Changed {
        total: every.len(),
        images: in_turn(&changes, MOST_CHANGED)
            .into_iter()
            .map(image)
            .collect(),
        ..none
    }
}

fn answer(one: &Answers<'_>, index: usize) -> Answer {
    let width = one.outputs.len() / one.labels.len();
    let outputs = one.outputs[index * width..(index + 1) * width].to_vec();
    Answer {
        name: one.name.clone(),
        label: one.labels[index],
        outputs,
    }
}

/// At most `most` different numbers of the lists, the next of each in turn; sorted.
fn in_turn(lists: &[Vec<usize>], most: usize) -> Vec<usize> {
    let mut taken = Vec::new();
    let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
    for place in 0..longest {
        for number in lists.iter().filter_map(|list| list.get(place)) {
            if taken.len() < most && !taken.contains(number) {
                taken.push(*number);
            }
        }
    }
    taken.sort_unstable();
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Images;

    #[test]
    fn a_confusion_counts_each_label_of_each_class() {
        let counts = confusion(&[0, 1, 1, 2, 0], &[0, 1, 0, 2, 0], 3);
        let want = vec![vec![2, 1, 0], vec![0, 1, 0], vec![0, 0, 1]];
        assert_eq!(counts, Some(want));
        assert_eq!(confusion(&[0], &[0], MOST_CLASSES + 1), None);
    }

    #[test]
    fn each_precision_has_its_turn_among_few_places() {
        let lists = [vec![], vec![9, 30], (0..9).collect()];
        assert_eq!(in_turn(&lists, 4), [0, 1, 9, 30]);
        assert_eq!(in_turn(&lists, 3), [0, 9, 30]);
        assert_eq!(in_turn(&lists, 99).len(), 11);
        assert_eq!(in_turn(&[], 3), [0_usize; 0]);
    }

    #[test]
    fn an_image_that_changes_comes_with_what_every_precision_said() {
        let images = Images {
            count: 3,
            columns: 2,
            width: 2,
            pixels: vec![0, 1, 2, 3, 4, 5],
        };
        let data = Dataset::new("three", images, vec![0, 1, 1]).unwrap();
        let (first, second) = (
            [0.9, 0.1, 0.2, 0.8, 0.6, 0.4],
            [0.9, 0.1, 0.7, 0.3, 0.6, 0.4],
        );
        let all = [
            Answers {
                name: "int8".into(),
                precision: Precision::Int8,
                outputs: &second,
                labels: &[0, 0, 0],
            },
            Answers {
                name: "f32".into(),
                precision: Precision::F32,
                outputs: &first,
                labels: &[0, 1, 0],
            },
        ];
        let found = changed(&all, &data, 3);
        assert_eq!((found.batch, found.total, found.images.len()), (3, 1, 1));
        let image = &found.images[0];
        assert_eq!((image.index, image.truth), (1, Some(1)));
        assert_eq!(image.pixels, [2, 3]);
        let labels: Vec<_> = image
            .answers
            .iter()
            .map(|a| (a.name.as_str(), a.label))
            .collect();
        assert_eq!(labels, [("int8", 0), ("f32", 1)]);
        assert_eq!(image.answers[1].outputs, [0.2, 0.8]);
        assert_eq!(serde_json::to_value(image).unwrap()["pixels"], "AgM=");
        assert_eq!(changed(&all[..1], &data, 3).total, 0);
    }
}
