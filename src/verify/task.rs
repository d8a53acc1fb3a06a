//! The checks that there are to make, and the making of each.

use std::sync::Arc;

use super::arithmetic::Exact;
use super::kernels::{self, Variant};
use super::row::CheckRow;
use super::{cpu, networks, sums, tolerance, weights};
use crate::Precision;
use crate::error::{Error, Result};
use crate::gpu::Device;

/// A check that is still to be made.
pub(super) enum CheckTask {
    Kernel(Variant),
    Network(Box<networks::NetworkCheck>),
    Weights(Box<networks::NetworkCheck>),
    Sums,
    Arithmetic(Exact),
    Processor(Box<cpu::OnProcessor>),
    /// What cannot be made.
    Skipped(CheckRow),
}

impl CheckTask {
    pub(super) fn row(&self) -> CheckRow {
        match self {
            Self::Kernel(variant) => variant.row(),
            Self::Network(network) => network.row("networks"),
            Self::Weights(network) => network.row("weights"),
            Self::Sums => CheckRow::new(
                "sums",
                "int8 products".to_owned(),
                &Precision::Int8.into(),
                tolerance::SUMS,
            ),
            Self::Arithmetic(exact) => exact.row(),
            Self::Processor(on) => on.row(),
            Self::Skipped(row) => row.clone(),
        }
    }

    /// Makes the check: its row, and the hash of int8 sums where it is of these.
    pub(super) async fn make(
        self,
        device: Option<&Arc<Device>>,
        matrix_units: &Result<Arc<Device>, String>,
        row: CheckRow,
    ) -> Result<(CheckRow, Option<String>)> {
        Ok(match (self, device) {
            (Self::Skipped(row), _) => (row, None),
            (Self::Processor(on), _) => on.check(row)?,
            (Self::Kernel(variant), Some(device)) => {
                let device = match (variant.on_matrix_units(), matrix_units) {
                    (false, _) => device,
                    (true, Ok(device)) => device,
                    (true, Err(reason)) => {
                        let what = format!("device with matrix units ({reason})");
                        return Err(Error::missing(what));
                    }
                };
                let checked = variant.check(device, row).await;
                device.forget(variant.pass, variant.elements);
                (checked?, None)
            }
            (Self::Network(network), Some(device)) => {
                (networks::check(&network, device, row).await?, None)
            }
            (Self::Weights(network), Some(device)) => {
                (weights::check(&network, device, row).await?, None)
            }
            (Self::Sums, Some(device)) => sums::check(device, row).await?,
            (Self::Arithmetic(exact), Some(device)) => (exact.check(device, row).await?, None),
            (_, None) => return Err(Error::missing("device for this check")),
        })
    }
}

/// What there is to check on an adapter.
pub(super) fn on_adapter(
    device: &Arc<Device>,
    matrix_units: Result<&Arc<Device>, &String>,
) -> Result<Vec<CheckTask>> {
    let task = |variant: Variant, device: &Device| match variant.lacks(device) {
        Some(reason) => CheckTask::Skipped(variant.row().skipped(reason)),
        None => CheckTask::Kernel(variant),
    };
    let mut tasks = vec![CheckTask::Sums];
    tasks.extend(Exact::ALL.map(CheckTask::Arithmetic));
    let variants = kernels::every(device.limits().subgroups()).into_iter();
    tasks.extend(variants.map(|variant| task(variant, device)));
    match matrix_units {
        Ok(device) => {
            let mut variants = kernels::every(device.limits().subgroups());
            variants.retain(Variant::on_matrix_units);
            tasks.extend(variants.into_iter().map(|variant| task(variant, device)));
        }
        Err(reason) => {
            let row = CheckRow::new(
                "kernels",
                "coop".to_owned(),
                &Precision::F16.into(),
                tolerance::HALF,
            );
            tasks.push(CheckTask::Skipped(row.skipped(reason)));
        }
    }
    for network in networks::every(device)? {
        tasks.push(match network {
            Ok((network, true)) => CheckTask::Weights(Box::new(network)),
            Ok((network, false)) => CheckTask::Network(Box::new(network)),
            Err(skipped) => CheckTask::Skipped(*skipped),
        });
    }
    Ok(tasks)
}

/// What there is to check on the CPU path.
pub(super) fn on_processor() -> Result<Vec<CheckTask>> {
    let task = |check| match check {
        Ok(on) => CheckTask::Processor(Box::new(on)),
        Err(skipped) => CheckTask::Skipped(skipped),
    };
    Ok(cpu::every()?.into_iter().map(task).collect())
}
