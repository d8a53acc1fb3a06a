//! What several test programs share: the adapters of this machine, seeded data, comparisons.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test program uses a part of this module"
)]

use std::sync::{Arc, Mutex, PoisonError};

use fmnist_gpu::adapter::Backend;
use fmnist_gpu::gpu::{self, Device, DeviceOptions, Found};
use fmnist_gpu::model::{Activation, Network};
use fmnist_gpu::plan::{Arithmetic, Tile};
pub use fmnist_gpu::verify::compare;
pub use fmnist_gpu::verify::data::{random_pixels, random_quantized, seeded};
use fmnist_gpu::verify::{self, SIZES as VERIFIED_SIZES};
use libtest_mimic::{Arguments, Trial};
use rand_chacha::ChaCha8Rng;

/// Turns the tests that need a GPU into ignored ones, visibly.
pub const SKIP: &str = "FMNIST_GPU_SKIP_GPU_TESTS";

/// Whether tests that need a GPU are to be skipped.
pub fn skips() -> bool {
    std::env::var_os(SKIP).is_some_and(|value| value != "0")
}

/// Whether this build can inject faults.
pub const INJECTS_FAULTS: bool = cfg!(feature = "fault-injection");

/// A test that this build cannot run, since it injects a fault: an ignored one that says so.
pub fn needs_faults(name: impl Into<String>) -> Trial {
    let ignored = || {
        let reason = "needs --features fault-injection";
        Ok(libtest_mimic::Completion::ignored_with(reason))
    };
    Trial::ignorable_test(name, ignored)
}

/// The sizes that every dimension is tried at: one, odd, round the tiles' edges, and large.
pub const SIZES: [usize; 7] = VERIFIED_SIZES;

/// A device under test.
#[derive(Clone)]
pub struct Rig {
    /// `vulkan-0-llvmpipe/trusted`, for test names.
    pub name: String,
    pub device: Arc<Device>,
    pub found: Found,
    pub checked: bool,
}

/// Every adapter of this machine, opened with checked and with trusted shaders.
pub fn rigs() -> Vec<Rig> {
    #[expect(unsafe_code, reason = "the environment is this process's own")]
    // SAFETY: the trials, and their threads, are only made from what this function gives.
    unsafe {
        gpu::quiet_drivers();
    }
    let mut rigs = Vec::new();
    for found in pollster::block_on(gpu::adapters(None)) {
        for checked in [true, false] {
            let options = DeviceOptions {
                checked,
                ..DeviceOptions::default()
            };
            let mode = if checked { "checked" } else { "trusted" };
            rigs.push(Rig::open(&found, mode, options));
        }
    }
    rigs
}

impl Rig {
    /// Whether it compiles a fused layer in less than minutes. Checked modules set workgroup memory to zero
    /// first, which on OpenGL is one expression with a term for every vector.
    pub fn compiles(&self, tile: Tile, arithmetic: Arithmetic) -> bool {
        let spells_zeros = self.checked && self.found.info.backend == Backend::Gl;
        !spells_zeros || tile.workgroup_bytes(arithmetic) <= 10 << 10
    }

    /// The same adapter opened with its matrix units, where it has any.
    pub fn with_matrix_units(&self) -> Option<Self> {
        self.found.info.matrix_units?;
        let options = DeviceOptions {
            checked: self.checked,
            matrix_units: true,
            ..DeviceOptions::default()
        };
        let mode = if self.checked { "checked" } else { "trusted" };
        Some(Self::open(
            &self.found,
            &format!("{mode}/matrix-units"),
            options,
        ))
    }

    /// A trial on this adapter. Those on OpenGL wait for one another: all devices share one context, and
    /// wgpu gives up on the process where a thread waits for it for some seconds, which is what a
    /// compilation may take.
    pub fn trial(
        &self,
        name: String,
        check: impl FnOnce() -> Result<(), libtest_mimic::Failed> + Send + 'static,
    ) -> Trial {
        static CONTEXT: Mutex<()> = Mutex::new(());
        let shared = self.found.info.backend == Backend::Gl;
        Trial::test(name, move || {
            // A trial that panicked has failed; the others may go on.
            let turn = shared.then(|| CONTEXT.lock().unwrap_or_else(PoisonError::into_inner));
            let result = check();
            drop(turn);
            result
        })
    }

    /// Opens an adapter in a mode that its name says.
    pub fn open(found: &Found, mode: &str, options: DeviceOptions) -> Self {
        Self {
            name: format!("{}/{mode}", adapter_name(&found.info)),
            device: pollster::block_on(Device::open(found, &options)).expect("a device"),
            found: found.clone(),
            checked: options.checked,
        }
    }
}

/// `vulkan-0-llvmpipe`: backend, index and first word of the name.
pub fn adapter_name(info: &fmnist_gpu::adapter::AdapterInfo) -> String {
    let word = info.name.split([' ', '(']).next().unwrap_or_default();
    format!("{}-{}-{word}", info.backend, info.index).to_lowercase()
}

/// Runs trials made for every adapter, beside those that need none; with no adapter at all, a
/// failing trial that says how to get one.
pub fn run_on_adapters(mut trials: Vec<Trial>, make: impl FnOnce(&[Rig]) -> Vec<Trial>) -> ! {
    let arguments = Arguments::from_args();
    if skips() {
        let reason = format!("{SKIP} is set");
        let ignored = move || Ok(libtest_mimic::Completion::ignored_with(reason));
        trials.push(Trial::ignorable_test("every GPU test", ignored));
    } else {
        let rigs = rigs();
        if rigs.is_empty() {
            let message = format!(
                "no GPU adapter on this machine; a software one: apt-get install \
                 mesa-vulkan-drivers libvulkan1; or skip these tests with {SKIP}=1"
            );
            trials.push(Trial::test("an adapter is there", move || {
                Err(message.into())
            }));
        }
        trials.extend(make(&rigs));
    }
    libtest_mimic::run(&arguments, trials).exit()
}

/// A network of these widths with random weights of a size that keeps its values near 1.
pub fn random_model(rng: &mut ChaCha8Rng, widths: &[usize], activations: &[Activation]) -> Network {
    verify::data::random_model(rng, widths, activations).expect("a valid model")
}
