//! Compiling kernels on a device, each once.

use std::sync::Arc;

use super::device::Device;
use super::kernel::{self, Binding};
use super::pipeline::Pipeline;
use crate::Precision;
use crate::error::{Error, Result};
use crate::plan::Pass;

impl Device {
    /// The compiled kernel of a pass.
    pub(super) async fn pipeline(
        self: &Arc<Self>,
        pass: Pass,
        elements: Precision,
    ) -> Result<Arc<Pipeline>> {
        // Fused kernels always round in integers.
        let fused = matches!(pass, Pass::Layer(_) | Pass::Network(_));
        let round = !fused && elements == Precision::F16 && self.rounds_in_integers().await?;
        self.pipeline_with(pass, elements, round)
    }

    /// The compiled kernel of a pass. `round_in_integers` says how its f16 stores round.
    pub(super) fn pipeline_with(
        &self,
        pass: Pass,
        elements: Precision,
        round_in_integers: bool,
    ) -> Result<Arc<Pipeline>> {
        let key = (pass, elements, round_in_integers);
        if let Some(pipeline) = self.pipelines.get(&key) {
            return Ok(pipeline);
        }
        let missing = || Error::missing(format!("kernel for {pass:?} in {elements}"));
        let kernel = kernel::find(pass, elements).ok_or_else(missing)?;
        let source = kernel::source(pass, elements, round_in_integers).ok_or_else(missing)?;
        let label = format!("{}.{elements}", kernel.name);
        let pipeline = Arc::new(self.compile_source(&label, source, kernel.bindings)?);
        self.pipelines.insert(key, Arc::clone(&pipeline));
        Ok(pipeline)
    }

    /// Drops the compiled kernel of a pass. The next use compiles it again.
    pub(crate) fn forget(&self, pass: Pass, elements: Precision) {
        self.pipelines.remove(pass, elements);
    }

    /// Compiles a shader that uses the uniform at binding 0 and these storage buffers from binding 1 on. It must be
    /// one that the tests run checked and unchecked.
    pub(super) fn compile_source(
        &self,
        label: &str,
        source: String,
        bindings: &[Binding],
    ) -> Result<Pipeline> {
        let source = self.injector.shader(label, source);
        let pipeline = Pipeline::new(&self.device, label, source, bindings, self.checked);
        self.check(&format!("compiling {label}"))
            .map_err(|error| error.of_kernel(label))?;
        Ok(pipeline)
    }
}
