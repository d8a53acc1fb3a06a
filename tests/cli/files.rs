//! Exit code 7: models and data that are missing, damaged, lying, or do not fit each other.

use std::collections::HashMap;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::support::{Fixture, IMAGES, has, images_file, labels, labels_file, model, pixels};

/// Every command refuses this model, and the error names the file and the problem.
#[track_caller]
fn refused(model: &Path, parts: &[&str]) {
    let name = model.to_str().expect("a path in UTF-8");
    for command in ["bench", "predict", "memory"] {
        let error = fmnist!(command, "--model", model).fails(7);
        has(&error, &[name]);
        has(&error, parts);
    }
}

#[test]
fn a_missing_model_is_named() {
    let fixture = Fixture::new();
    refused(&fixture.path("missing.safetensors"), &["cannot be read"]);
    refused(fixture.data(), &["cannot be read"]);
}

#[test]
fn a_truncated_model_is_refused() {
    let fixture = Fixture::new();
    let bytes = std::fs::read(fixture.model()).expect("the model");
    for length in [0, 4, 8, 100, bytes.len() - 1] {
        let path = fixture.write("truncated.safetensors", &bytes[..length]);
        refused(&path, &["safetensors"]);
    }
}

#[test]
fn a_model_whose_header_lies_is_refused() {
    let fixture = Fixture::new();
    let mut endless = u64::MAX.to_le_bytes().to_vec();
    endless.extend(b"{}");
    let header = br#"{"__metadata__":{"activations":"relu"},"layers.0.weight":{"dtype":"F32","shape":[4294967295,4294967295],"data_offsets":[0,64]},"layers.0.bias":{"dtype":"F32","shape":[4],"data_offsets":[64,80]}}"#;
    let mut huge = (header.len() as u64).to_le_bytes().to_vec();
    huge.extend(header);
    huge.resize(huge.len() + 80, 0);
    let nonsense = b"\x10\0\0\0\0\0\0\0not a JSON value".to_vec();
    for bytes in [endless, huge, nonsense] {
        let path = fixture.write("lying.safetensors", &bytes);
        refused(&path, &["safetensors"]);
    }
}

#[test]
fn a_model_with_a_value_that_is_no_number_is_refused() {
    let fixture = Fixture::new();
    for (value, word) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
        let mut model = model();
        model.layers[1].weights[5] = value;
        let path = fixture.save("bad.safetensors", &model);
        refused(&path, &["layers.1.weight[5]", word]);
    }
}

/// A model file out of tensors of any type and shape, one layer 16 → 4.
fn write_tensors(
    fixture: &Fixture,
    dtype: Dtype,
    weight: &[usize],
    activations: &str,
) -> std::path::PathBuf {
    let size = if dtype == Dtype::F16 { 2 } else { 4 };
    let bytes = vec![0; weight.iter().product::<usize>() * size];
    let weight = TensorView::new(dtype, weight.to_vec(), &bytes).expect("a tensor");
    let bias = TensorView::new(Dtype::F32, vec![4], &[0; 16]).expect("a tensor");
    let metadata = HashMap::from([("activations".to_owned(), activations.to_owned())]);
    let tensors = [("layers.0.weight", weight), ("layers.0.bias", bias)];
    let bytes = safetensors::serialize(tensors, Some(metadata)).expect("a file");
    fixture.write("tensors.safetensors", &bytes)
}

#[test]
fn a_model_of_another_type_or_shape_is_refused() {
    let fixture = Fixture::new();
    let path = write_tensors(&fixture, Dtype::F16, &[16, 4], "softmax");
    refused(&path, &["layers.0.weight", "F16", "F32"]);
    let path = write_tensors(&fixture, Dtype::F32, &[64], "softmax");
    refused(&path, &["layers.0.weight", "[64]"]);
    let path = write_tensors(&fixture, Dtype::F32, &[16, 5], "softmax");
    refused(&path, &["layers.0.bias", "[4]"]);
    let path = write_tensors(&fixture, Dtype::F32, &[16, 4], "softmax,softmax");
    refused(&path, &["layers.1.weight"]);
    let path = write_tensors(&fixture, Dtype::F32, &[16, 4], "nosuch");
    refused(&path, &["nosuch", "softmax"]);
    // The same file with everything right is none of these.
    let path = write_tensors(&fixture, Dtype::F32, &[16, 4], "softmax");
    fmnist!("memory", "--model", path).good();
}

#[test]
fn a_model_of_another_width_than_the_data_is_refused() {
    let fixture = Fixture::new();
    // The embedded images have 784 pixels, the model takes 16.
    for command in ["bench", "predict"] {
        let error = fmnist!(command, "--model", fixture.model()).fails(7);
        has(&error, &["784", "16", "model.safetensors"]);
    }
    let error = fmnist!("bench", "--data", fixture.data()).fails(7);
    has(&error, &["784", "16", "embedded"]);
    let images = fixture.path("t10k-images-idx3-ubyte");
    let error = fmnist!("predict", "--data", images).fails(7);
    has(&error, &["784", "16", "t10k-images"]);
}

#[test]
fn a_label_that_the_model_cannot_give_is_refused() {
    let fixture = Fixture::new();
    let mut labels = labels();
    labels[7] = 9;
    fixture.write(
        "t10k-labels-idx1-ubyte",
        &labels_file(IMAGES as u32, &labels),
    );
    has(&fixture.bench(&[]).fails(7), &["label 9", "only 4 outputs"]);
}

#[test]
fn missing_data_are_named_with_what_is_expected() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    let missing = empty.path().join("missing");
    let names = ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    let output = empty.path().join("model.safetensors");
    let training = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
    let no_folder = ["there is no such folder"];
    for (folder, test, training) in [
        (empty.path(), &names[..], &training[..]),
        (&missing, &no_folder, &no_folder),
    ] {
        let error = fmnist!("bench", "--data", folder).fails(7);
        has(&error, &[folder.to_str().expect("UTF-8")]);
        has(&error, test);
        has(
            &fmnist!("train", "--data", folder, "--output", &output).fails(7),
            training,
        );
        assert!(!output.exists());
    }
    let error = fmnist!("predict", "--data", &missing).fails(7);
    has(&error, &["missing", "cannot be read"]);
    has(
        &fmnist!("predict", "--data", empty.path()).fails(7),
        &["t10k-images-idx3-ubyte", "name a file of images"],
    );
}

#[test]
fn half_a_split_is_reported() {
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.path("t10k-labels-idx1-ubyte")).expect("removed");
    has(
        &fixture.bench(&[]).fails(7),
        &["t10k-images-idx3-ubyte", "matching file"],
    );
}

/// Images that `predict` and `bench` refuse alike.
#[track_caller]
fn refused_images(bytes: &[u8], parts: &[&str]) {
    let fixture = Fixture::new();
    let path = fixture.write("t10k-images-idx3-ubyte", bytes);
    let by_predict = fmnist!("predict", "--model", fixture.model(), "--data", path).fails(7);
    for error in [by_predict, fixture.bench(&[]).fails(7)] {
        has(&error, &["t10k-images-idx3-ubyte"]);
        has(&error, parts);
    }
}

#[test]
fn damaged_and_lying_images_are_refused() {
    let good = images_file(IMAGES as u32, 4, 4, &pixels());
    refused_images(&[], &["IDX"]);
    refused_images(b"<html>no images</html>", &["IDX"]);
    refused_images(&good[..10], &["header"]);
    refused_images(&good[..good.len() - 1], &["640", "639"]);
    refused_images(&[good.as_slice(), &[0]].concat(), &["640"]);
    refused_images(
        &images_file(u32::MAX, 4, 4, &pixels()),
        &["the header gives"],
    );
    let huge = images_file(u32::MAX, u32::MAX, u32::MAX, &pixels());
    refused_images(&huge, &["the header gives"]);
    refused_images(&images_file(0, 4, 4, &[]), &["0 images"]);
    refused_images(&labels_file(IMAGES as u32, &labels()), &["IDX"]);
    // Gzip in name and magic only.
    refused_images(&[0x1f, 0x8b, 8, 0, 0, 0], &["t10k-images"]);
}

#[test]
fn damaged_labels_are_refused() {
    let fixture = Fixture::new();
    let cases: [(Vec<u8>, &[&str]); 4] = [
        (
            labels_file(39, &labels()[..39]),
            &["40 images", "39 labels"],
        ),
        (
            labels_file(40, &labels()[..39]),
            &["40", "39", "t10k-labels"],
        ),
        (
            labels_file(u32::MAX, &labels()),
            &["the header gives", "t10k-labels"],
        ),
        (images_file(40, 4, 4, &pixels()), &["IDX", "t10k-labels"]),
    ];
    for (bytes, parts) in cases {
        fixture.write("t10k-labels-idx1-ubyte", &bytes);
        has(&fixture.bench(&[]).fails(7), parts);
    }
}
