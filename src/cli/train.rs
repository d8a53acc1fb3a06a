//! `train`: makes a model, in float32.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::dataset::{self, CLASSES, Split};
use fmnist_gpu::error::UsageError;
use fmnist_gpu::quantize::{Calibration, Sample, calibrate};
use fmnist_gpu::train::{EpochReport, TrainOptions, train};
use fmnist_gpu::{Error, Precision};

use super::{help, options, terminal};

/// The calls that its help shows.
const EXAMPLES: &help::Examples = &[
    (
        "fmnist-gpu train --output m.safetensors",
        "train 784-64-10 on Fashion-MNIST",
    ),
    (
        "fmnist-gpu train --hidden 256,64 --data DIR --output m.safetensors",
        "train two hidden layers on your images",
    ),
    (
        "fmnist-gpu train --precision int8 --output m.safetensors",
        "store int8 as the precision that 'predict' uses",
    ),
];

/// Train a network in float32 and write it to a file
#[derive(Debug, Args)]
#[command(after_help = help::short(EXAMPLES), after_long_help = help::long(EXAMPLES))]
pub struct Arguments {
    /// Widths of the hidden layers
    #[arg(
        long,
        default_value = "64",
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = options::positive,
        help_heading = help::MODEL
    )]
    hidden: Vec<usize>,

    /// Number of passes over the training images [default: that of the built-in model]
    #[arg(long, value_name = "N", value_parser = options::positive, help_heading = help::MODEL)]
    epochs: Option<usize>,

    /// Seed of the random numbers [default: that of the built-in model]
    ///
    /// The same seed gives the same model on the same machine.
    #[arg(long, value_name = "N", help_heading = help::MODEL)]
    seed: Option<u64>,

    /// Folder with a training split in IDX files [default: data/fashion-mnist, or Debian's package]
    ///
    /// The files are train-images-idx3-ubyte and train-labels-idx1-ubyte, plain or as .gz. Debian's package is
    /// dataset-fashion-mnist.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = help::MODEL)]
    data: Option<PathBuf>,

    /// Precision to store in the file: the one that 'predict' runs the model in
    #[arg(long, value_name = "P", help_heading = help::PRECISION)]
    precision: Option<Precision>,

    /// Largest quantized value of int8 to store in the file, from 1 to 127 [default: 127]
    #[arg(
        long,
        value_name = "N",
        value_parser = int8_clip,
        help_heading = help::PRECISION,
        hide_short_help = true
    )]
    int8_clip: Option<u8>,

    /// File to write (safetensors)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = help::OUTPUT)]
    output: PathBuf,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut options = TrainOptions {
        hidden: arguments.hidden.clone(),
        ..TrainOptions::default()
    };
    options.epochs = arguments.epochs.unwrap_or(options.epochs);
    options.seed = arguments.seed.unwrap_or(options.seed);
    if arguments.precision == Some(Precision::Mixed) {
        let what = "a trained model";
        return Err(Error::Usage(UsageError::MixedUnavailable { what }).into());
    }
    // An output that cannot be written is an error before minutes are spent on training.
    let output = AtomicFile::create(&arguments.output)?;
    let data = dataset::load_split(Split::Train, arguments.data.as_deref())?;

    let bar = terminal::progress_bar();
    bar.set_length(options.epochs as u64);
    bar.set_message("training");
    let mut model = train(&data, &options, |report| {
        bar.set_position(report.epoch as u64);
        bar.set_message(progress(report));
        bar.suspend(|| terminal::note(&line(report)));
    })?;
    bar.finish_and_clear();

    model.mode = arguments.precision.map(Into::into);
    model.int8_clip = arguments.int8_clip.unwrap_or(model.int8_clip);
    let sample = Sample::of(
        &data,
        dataset::CALIBRATION_IMAGES,
        dataset::CALIBRATION_SEED,
    )?;
    model.input_ranges = Some(calibrate(&model, &sample, Calibration::default())?.0);
    if dataset::is_fashion_training(&data) {
        model.classes = CLASSES.map(str::to_owned).to_vec();
    }
    model
        .provenance
        .insert("command".into(), command(arguments, &options));
    output.commit(&model.to_bytes()?)?;
    let accuracy = model.provenance.get("accuracy");
    terminal::print(&format!(
        "{}: {} parameters, validation accuracy {}\n",
        arguments.output.display(),
        model.parameters(),
        accuracy.map_or("unknown", String::as_str)
    ))
}

/// The largest quantized value, as the option takes it.
fn int8_clip(text: &str) -> Result<u8, String> {
    let clip = text.parse().ok().filter(|clip| (1..=127).contains(clip));
    clip.ok_or_else(|| "use a whole number from 1 to 127".to_owned())
}

fn progress(report: &EpochReport) -> String {
    format!("epoch {}, loss {:.4}", report.epoch, report.train_loss)
}

fn line(report: &EpochReport) -> String {
    format!(
        "epoch {:>3}/{}  loss {:.4}  accuracy {:.4}  validation loss {:.4}  accuracy {:.4}",
        report.epoch,
        report.epochs,
        report.train_loss,
        report.train_accuracy,
        report.validation_loss,
        report.validation_accuracy
    )
}

/// The command that makes this model again, with every default written out.
fn command(arguments: &Arguments, options: &TrainOptions) -> String {
    let hidden: Vec<String> = options.hidden.iter().map(ToString::to_string).collect();
    let mut command = format!(
        "fmnist-gpu train --hidden {} --epochs {} --seed {}",
        hidden.join(","),
        options.epochs,
        options.seed
    );
    if let Some(data) = &arguments.data {
        command += &format!(" --data {}", data.display());
    }
    if let Some(precision) = arguments.precision {
        command += &format!(" --precision {precision}");
    }
    if let Some(clip) = arguments.int8_clip {
        command += &format!(" --int8-clip {clip}");
    }
    command + &format!(" --output {}", arguments.output.display())
}
