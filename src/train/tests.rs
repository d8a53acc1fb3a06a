//! Training as a whole, on small made-up data.

use super::*;
use crate::Precision;
use crate::cpu::{Processor, Session};
use crate::dataset::Images;
use crate::quantize::lower;

/// `count` images of 3×3 pixels in three classes: the bright row is the class.
fn rows(count: usize) -> Dataset {
    let mut pixels = Vec::new();
    let mut labels = Vec::new();
    for image in 0..count {
        let label = image * 7 % 3;
        for at in 0..9 {
            let noise = (image * 31 + at * 17) % 90;
            pixels.push((noise + if at / 3 == label { 120 } else { 0 }) as u8);
        }
        labels.push(label as u8);
    }
    let images = Images {
        count,
        columns: 3,
        width: 9,
        pixels,
    };
    Dataset::new("rows", images, labels).unwrap()
}

fn options() -> TrainOptions {
    TrainOptions {
        hidden: vec![8],
        epochs: 20,
        batch: 16,
        learning_rate: 0.02,
        ..TrainOptions::default()
    }
}

fn trained(data: &Dataset, options: &TrainOptions) -> Network {
    train(data, options, |_| ()).unwrap()
}

#[test]
fn learns_a_separable_problem_and_reports_it() {
    let mut reports = Vec::new();
    let data = rows(300);
    let model = train(&data, &options(), |report| reports.push(*report)).unwrap();
    assert_eq!(model.architecture().widths(), [9, 8, 3]);
    assert_eq!(reports.len(), 20);
    let (first, last) = (reports[0], reports[19]);
    assert_eq!((first.epoch, last.epoch, last.epochs), (1, 20, 20));
    assert!(last.train_loss < first.train_loss);
    assert!(last.validation_loss < first.validation_loss);
    assert_eq!((last.train_accuracy, last.validation_accuracy), (1.0, 1.0));
    assert_eq!(model.provenance["accuracy"], "1.0000");
    assert_eq!(model.provenance["training_images"], "240");

    let quantized = lower(&model, &Precision::F32.into(), None).unwrap();
    let mut network = Session::new(&quantized, &Processor::default()).unwrap();
    network.upload(&data.images.pixels, data.len());
    for (row, &label) in network.run().chunks(3).zip(data.labels().unwrap()) {
        assert!(row[usize::from(label)] > 0.5, "{row:?} for {label}");
    }
}

#[test]
fn the_seed_decides_every_byte() {
    let data = rows(100);
    let bytes = |seed| {
        let options = TrainOptions { seed, ..options() };
        let mut model = trained(&data, &options);
        // The seed is in the metadata too; what is compared is what came of it.
        model.provenance.clear();
        model.to_bytes().unwrap()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn any_size_of_data_and_network_trains() {
    for count in [2, 3, 5, 17] {
        let model = trained(&rows(count), &options());
        assert_eq!(model.inputs(), 9, "{count} images");
    }
    for (hidden, widths) in [(vec![], vec![9, 3]), (vec![5, 1, 4], vec![9, 5, 1, 4, 3])] {
        let options = TrainOptions {
            hidden,
            ..options()
        };
        assert_eq!(trained(&rows(60), &options).architecture().widths(), widths);
    }
}

#[test]
fn outputs_are_as_many_as_the_largest_label_asks_for() {
    let mut data = rows(30);
    data.labels.as_mut().unwrap()[4] = 255;
    assert_eq!(trained(&data, &options()).outputs(), 256);
    data.labels.as_mut().unwrap().fill(0);
    assert_eq!(trained(&data, &options()).outputs(), 1);
}

#[test]
fn divergence_is_an_error_not_a_model() {
    for learning_rate in [f32::MAX, 1e30] {
        let options = TrainOptions {
            learning_rate,
            ..options()
        };
        let error = train(&rows(60), &options, |_| ()).unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
        assert!(error.to_string().contains("diverged in epoch 1"), "{error}");
    }
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let refused = |data: &Dataset, change: fn(&mut TrainOptions)| {
        let mut options = options();
        change(&mut options);
        let error = train(data, &options, |_| ()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    let data = rows(20);
    assert!(refused(&data, |o| o.hidden = vec![4, 0]).contains("hidden layer 1"));
    assert!(refused(&data, |o| o.hidden = vec![usize::MAX]).contains("parameters"));
    assert!(refused(&data, |o| o.hidden = vec![1 << 25]).contains("parameters"));
    assert!(refused(&data, |o| o.epochs = 0).contains("epochs"));
    assert!(refused(&data, |o| o.batch = 0).contains("batch"));
    assert!(refused(&data, |o| o.learning_rate = 0.0).contains("learning rate"));
    assert!(refused(&data, |o| o.learning_rate = f32::NAN).contains("learning rate"));
    assert!(refused(&data, |o| o.weight_decay = -1.0).contains("weight decay"));
    assert!(refused(&data, |o| o.label_smoothing = 1.0).contains("label smoothing"));
    let endless = refused(&data, |o| (o.epochs, o.batch) = (usize::MAX, 1));
    assert!(endless.contains("epochs"), "{endless}");
}

#[test]
fn a_data_set_of_one_image_is_bad_data() {
    let error = train(&rows(1), &options(), |_| ()).unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    assert!(error.to_string().starts_with("rows: has one image"));
}
