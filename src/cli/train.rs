//! `train`: makes a model, in float32.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use fmnist_gpu::atomic_file::AtomicFile;
use fmnist_gpu::dataset::{self, CLASSES, Split};
use fmnist_gpu::error::UsageError;
use fmnist_gpu::train::{EpochReport, TrainOptions, train};
use fmnist_gpu::{Error, Precision};

use super::options;
use super::terminal;

/// Trains a network in float32 and saves it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Widths of the hidden layers
    #[arg(long, default_value = "64", value_name = "LIST", value_delimiter = ',', value_parser = options::positive)]
    hidden: Vec<usize>,

    /// Times that the training images are gone through [default: the default model's]
    #[arg(long, value_name = "N", value_parser = options::positive)]
    epochs: Option<usize>,

    /// The same seed gives the same model on the same machine [default: the default model's]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// A folder with a training split in IDX files (train-images-idx3-ubyte, …, plain or .gz);
    /// without it: data/fashion-mnist, then Debian's package
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    data: Option<PathBuf>,

    /// The precision that the model asks to be run in
    #[arg(long, value_name = "P")]
    precision: Option<Precision>,

    /// The largest int8 code of the model's quantization, 1 to 127
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=127))]
    int8_clip: Option<u8>,

    /// The file to write (safetensors)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
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
    // An output that cannot be written is told before minutes are spent on it.
    let output = AtomicFile::create(&arguments.output)?;
    let data = dataset::load_split(Split::Train, arguments.data.as_deref())?;

    let bar = terminal::progress_bar();
    bar.set_length(options.epochs as u64);
    bar.set_message("training");
    let mut model = train(&data, &options, |report| {
        bar.set_position(report.epoch as u64);
        bar.set_message(progress(report));
        bar.suspend(|| terminal::tell(&line(report)));
    })?;
    bar.finish_and_clear();

    model.mode = arguments.precision.map(Into::into);
    model.int8_clip = arguments.int8_clip.unwrap_or(model.int8_clip);
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

/// The command that makes this model again, every choice told.
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
