//! How accurate a precision is class by class, and how that differs from f32.

use crate::results::{ClassAccuracy, ConfusionChange};

/// The accuracy of every class, from the label counts `[truth][label]` of a precision and of f32.
pub(super) fn accuracies(counts: &[Vec<usize>], f32: Option<&[Vec<usize>]>) -> Vec<ClassAccuracy> {
    let of_class = |(class, line): (usize, &Vec<usize>)| {
        let (images, correct) = (line.iter().sum(), line[class]);
        ClassAccuracy {
            images,
            correct,
            accuracy: (images > 0).then(|| correct as f64 / images as f64),
            more_than_f32: f32.map(|f32| correct as i64 - f32[class][class] as i64),
        }
    };
    counts.iter().enumerate().map(of_class).collect()
}

/// Where label counts `[truth][label]` differ from those of f32.
pub(super) fn changes(counts: &[Vec<usize>], f32: &[Vec<usize>]) -> Vec<ConfusionChange> {
    let mut all = Vec::new();
    for (class, (line, of_f32)) in counts.iter().zip(f32).enumerate() {
        for (label, (&own, &other)) in line.iter().zip(of_f32).enumerate() {
            let more = own as i64 - other as i64;
            if more != 0 {
                all.push(ConfusionChange { class, label, more });
            }
        }
    }
    all
}

/// The class with the lowest accuracy, the first of equals; none where no class has images.
pub(super) fn hardest(classes: &[ClassAccuracy]) -> Option<usize> {
    let known = classes.iter().enumerate();
    let known = known.filter_map(|(class, seen)| Some((class, seen.accuracy?)));
    let hardest = known.min_by(|(_, a), (_, b)| a.total_cmp(b));
    hardest.map(|(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_counted_one_by_one_and_held_against_f32() {
        let (counts, f32) = (
            [vec![3, 1, 0], vec![2, 2, 0], vec![0, 0, 0]],
            [vec![4, 0, 0], vec![3, 1, 0], vec![0, 0, 0]],
        );
        let found = accuracies(&counts, Some(&f32));
        let of = |class: usize| {
            let seen = found[class];
            (seen.images, seen.correct, seen.accuracy, seen.more_than_f32)
        };
        assert_eq!(of(0), (4, 3, Some(0.75), Some(-1)));
        assert_eq!(of(1), (4, 2, Some(0.5), Some(1)));
        assert_eq!(of(2), (0, 0, None, Some(0)));
        assert_eq!(hardest(&found), Some(1));
        assert_eq!(hardest(&found[2..]), None);
        let change = |class, label, more| ConfusionChange { class, label, more };
        let want = [(0, 0, -1), (0, 1, 1), (1, 0, -1), (1, 1, 1)];
        assert_eq!(
            changes(&counts, &f32),
            want.map(|(c, l, m)| change(c, l, m))
        );
        assert_eq!(changes(&f32, &f32), []);
        assert!(accuracies(&counts, None)[0].more_than_f32.is_none());
    }
}
