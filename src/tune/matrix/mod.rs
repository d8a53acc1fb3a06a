//! Whether f16 runs on an adapter's matrix units: what the user wants, and what a trial says of them.

mod trial;

use std::str::FromStr;

use super::Tuning;
use crate::Engine;
use crate::engine::{EngineOptions, MatrixUse, Selected};
use crate::error::{Error, Result};
use crate::gpu::DeviceOptions;
use crate::plan::{Kernels, Path};
use trial::Trial;
pub use trial::Verdict;

/// Whether f16 is to run on matrix units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatrixUnitsMode {
    /// Where they are right and faster, and kernels are timed at all.
    #[default]
    Auto,
    /// Yes, or it is an error.
    On,
    /// No.
    Off,
}

impl FromStr for MatrixUnitsMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            other => Err(Error::Usage(format!(
                "unknown use of matrix units '{other}': use on, off or auto"
            ))),
        }
    }
}

/// Opens the adapter that `options` mean, with its matrix units where f16 is to run on them.
///
/// # Errors
/// `Error::Usage` where the options contradict one another; `Error::MatrixUnitsUnavailable` and
/// `Error::CheckFailed` where they are asked for and are not there, or compute something else; those
/// of [`Engine::open`].
pub async fn open(
    options: &EngineOptions,
    wanted: MatrixUnitsMode,
    runs_f16: bool,
    tuning: Tuning,
) -> Result<Engine> {
    let selected = Selected::find(options).await?;
    let on = wanted == MatrixUnitsMode::On;
    let mut options = options.clone();
    if on {
        options.kernels = only_matrix_units(options.kernels, runs_f16)?;
    }
    let matrix_units = decide(&selected, &options, wanted, runs_f16, tuning).await?;
    selected.open(&options, matrix_units).await
}

/// The kernels that are left where f16 must run on matrix units.
fn only_matrix_units(kernels: Kernels, runs_f16: bool) -> Result<Kernels> {
    let problem = match kernels {
        _ if !runs_f16 => "only f16 runs on matrix units, and it is not asked for".to_owned(),
        Kernels::Named(strategy) if !strategy.on_matrix_units() => {
            format!("the kernel {} does without", strategy.name)
        }
        Kernels::Path(path) if path != Path::Fused => {
            format!("the {} path does without", path.name())
        }
        Kernels::Named(_) => return Ok(kernels),
        _ => return Ok(Kernels::MatrixUnits),
    };
    Err(Error::Usage(format!("--matrix-units on: {problem}")))
}

async fn decide(
    selected: &Selected,
    options: &EngineOptions,
    wanted: MatrixUnitsMode,
    runs_f16: bool,
    tuning: Tuning,
) -> Result<MatrixUse> {
    let on = wanted == MatrixUnitsMode::On;
    // Who names a kernel for them wants them; without them it will be told why it cannot run.
    let named = matches!(options.kernels, Kernels::Named(strategy) if strategy.on_matrix_units());
    let lacks = selected.info().lacks_matrix_units();
    let reason = match (options.kernels, lacks) {
        _ if wanted == MatrixUnitsMode::Off => "switched off",
        _ if !runs_f16 => "f16 is not asked for",
        (_, Some(reason)) if on => {
            return Err(Error::MatrixUnitsUnavailable {
                adapter: selected.info().to_string(),
                reason: reason.to_owned(),
            });
        }
        (_, Some(reason)) => reason,
        _ if on || named => return judge(selected, options, true).await,
        (Kernels::Named(_), _) => "the kernel asked for does without",
        (Kernels::Path(path), _) if path != Path::Fused => "the path asked for does without",
        _ if tuning == Tuning::Off => "no kernel is timed, and the default ones do without",
        _ => return judge(selected, options, false).await,
    };
    Ok(MatrixUse::no(reason))
}

/// What the trial says; an error where they are asked for and cannot be used.
async fn judge(selected: &Selected, options: &EngineOptions, asked: bool) -> Result<MatrixUse> {
    let trial = Trial::known_or_made(selected, &options.device).await;
    let used = trial.takes();
    let reason = trial.words();
    if !asked || used {
        return Ok(MatrixUse { used, reason });
    }
    let adapter = selected.info().to_string();
    match trial.verdict {
        Verdict::Right { .. } => Ok(MatrixUse {
            used: true,
            reason: format!("asked for; {reason}"),
        }),
        Verdict::Wrong => Err(Error::CheckFailed(format!(
            "the matrix units of {adapter} cannot be used: {reason}"
        ))),
        Verdict::Refused => Err(Error::MatrixUnitsUnavailable { adapter, reason }),
    }
}

/// What an adapter's matrix units are good for, by the cache or by a trial; why there are none, where
/// there are none.
pub async fn matrix_units(selected: &Selected) -> MatrixUse {
    match selected.info().lacks_matrix_units() {
        Some(reason) => MatrixUse::no(reason),
        None => {
            let trial = Trial::known_or_made(selected, &DeviceOptions::default()).await;
            MatrixUse {
                used: trial.takes(),
                reason: trial.words(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Strategy;

    #[test]
    fn contradictions_are_refused() {
        let named = |name| Kernels::Named(Strategy::find(name).unwrap());
        let on = |kernels, f16| only_matrix_units(kernels, f16);
        assert_eq!(on(Kernels::Any, true).unwrap(), Kernels::MatrixUnits);
        assert_eq!(
            on(Kernels::Path(Path::Fused), true).unwrap(),
            Kernels::MatrixUnits
        );
        assert_eq!(on(named("coop-1x4"), true).unwrap(), named("coop-1x4"));
        for (kernels, f16) in [
            (Kernels::Any, false),
            (named("register-8x8"), true),
            (Kernels::Path(Path::Network), true),
        ] {
            assert_eq!(on(kernels, f16).unwrap_err().exit_code(), 2, "{kernels:?}");
        }
    }
}
