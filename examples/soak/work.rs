//! What a process that lives long does: loads models, runs batches of changing sizes, drops networks again. The outputs
//! must be the same to the bit in every cycle, and the memory must not grow.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fmnist_gpu::dataset::{self, Images};
use fmnist_gpu::engine::{Engine, Session};
use fmnist_gpu::error::CheckError;
use fmnist_gpu::model::Network;
use fmnist_gpu::quantize::Source;
use fmnist_gpu::{Error, Mode, Precision, Result};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Images of a batch; the last batch of each may be short.
const BATCHES: [usize; 6] = [1, 7, 32, 100, 256, 333];

/// What may grow of what a process holds: two in a hundred, and some bytes beside.
const GROWTH: f64 = 0.02;

/// Outputs, by what they depend on: the mode, and the images of a batch.
type Outputs = BTreeMap<(String, usize), [u8; 32]>;

/// Models in every precision and scheme that an engine runs itself, each in a file.
#[derive(Debug)]
pub struct Soak {
    engine: Engine,
    images: Images,
    files: Vec<PathBuf>,
    /// Networks that live all the time, beside those that are loaded in each cycle.
    resident: Vec<Session>,
    expected: Outputs,
    rng: ChaCha8Rng,
    /// Cycles, and images in all of them.
    pub cycles: u64,
    pub classified: u64,
    _folder: TempDir,
}

impl Soak {
    /// Writes the models, and loads each once; every cycle classifies the first `images` of the test split.
    pub async fn new(engine: Engine, images: usize) -> Result<Self> {
        let model = Network::default_model()?;
        let folder = tempfile::tempdir().map_err(|source| Error::Output {
            path: std::env::temp_dir(),
            source,
        })?;
        let mut soak = Self {
            engine,
            images: dataset::test_split()?
                .images
                .select(&(0..images).collect::<Vec<_>>()),
            files: Vec::new(),
            resident: Vec::new(),
            expected: Outputs::new(),
            rng: ChaCha8Rng::seed_from_u64(0),
            cycles: 0,
            classified: 0,
            _folder: folder,
        };
        for (number, mode) in Mode::every().into_iter().enumerate() {
            if soak.engine.place(mode.precision)?.reason.is_some() {
                continue;
            }
            let path = soak._folder.path().join(format!("{number}.safetensors"));
            let model = Network {
                mode: Some(mode.clone()),
                ..model.clone()
            };
            match mode.depends_on_batch() {
                true => model.save(&path)?,
                false => Source::Network(model).quantize(&mode)?.save(&path)?,
            }
            let network = load(&soak.engine, &path).await?;
            soak.resident.push(network);
            soak.files.push(path);
        }
        Ok(soak)
    }

    /// The adapter that it runs on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The modes that it runs in.
    pub fn modes(&self) -> String {
        let names: Vec<String> = self
            .resident
            .iter()
            .map(|one| one.mode().to_string())
            .collect();
        names.join(", ")
    }

    /// Runs every network, those that live and those that are loaded for this cycle alone, on batches of every size in
    /// an order of its own.
    ///
    /// # Errors
    /// `Error::CheckFailed` where outputs are not those of the first cycle; those of the engine.
    pub async fn cycle(&mut self) -> Result<()> {
        let mut order: Vec<usize> = (0..self.files.len()).collect();
        order.shuffle(&mut self.rng);
        for index in order {
            let mut fresh = load(&self.engine, &self.files[index]).await?;
            let mut sizes = BATCHES.map(|batch| batch.min(self.images.count)).to_vec();
            sizes.shuffle(&mut self.rng);
            for batch in sizes {
                let fresh_first = self.rng.random::<bool>();
                for turn in [fresh_first, !fresh_first] {
                    let network = if turn {
                        &mut fresh
                    } else {
                        &mut self.resident[index]
                    };
                    let outputs = network
                        .infer(&self.images.pixels, batch, &mut |_| ())
                        .await?;
                    self.classified += self.images.count as u64;
                    let key = (network.mode().to_string(), batch);
                    compare(&mut self.expected, key, &outputs, self.cycles)?;
                }
            }
        }
        self.cycles += 1;
        Ok(())
    }

    /// SHA-256 over the outputs of all modes and sizes of batches, in hexadecimal: those of every cycle so far.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for ((mode, batch), outputs) in &self.expected {
            hash.update(format!("{mode} {batch} "));
            hash.update(outputs);
        }
        let bytes = hash.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

async fn load(engine: &Engine, path: &std::path::Path) -> Result<Session> {
    let source = Source::load(path)?;
    let mode = source.mode().unwrap_or(Precision::F32.into());
    engine.load(&source.quantize(&mode)?).await
}

/// Holds outputs against those of the first cycle, to the bit.
pub fn compare(
    expected: &mut Outputs,
    key: (String, usize),
    outputs: &[f32],
    cycle: u64,
) -> Result<()> {
    let mut hash = Sha256::new();
    for output in outputs {
        hash.update(output.to_bits().to_le_bytes());
    }
    let found: [u8; 32] = hash.finalize().into();
    let what = format!("{} in batches of {}", key.0, key.1);
    if *expected.entry(key).or_insert(found) == found {
        return Ok(());
    }
    Err(Error::CheckFailed(CheckError::WrongResult {
        what,
        device: "this device".into(),
        problem: format!("the outputs of cycle {cycle} are not those of the first cycle"),
    }))
}

/// Bytes of this process in memory; none where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Medians of the second and the last quarter of what a process held, in bytes: the first is for warming up. None of
/// less than eight samples.
pub fn quarters(held: &[u64]) -> Option<(u64, u64)> {
    let quarter = held.len() / 4;
    if quarter < 2 {
        return None;
    }
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part[part.len() / 2]
    };
    let late = &held[held.len() - quarter..];
    Some((median(&held[quarter..2 * quarter]), median(late)))
}

/// The most that the last quarter may hold where the second held `early`: 2% more, and `allowance` bytes.
pub fn most(early: u64, allowance: u64) -> u64 {
    early + (early as f64 * GROWTH) as u64 + allowance
}
