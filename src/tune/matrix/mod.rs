//! Whether f16 runs on an adapter's matrix units: what the user wants, and what a trial says of them.

mod trial;

use std::str::FromStr;

use super::cache::TrialResult;
use super::tuning::Tuning;
use crate::Engine;
use crate::engine::{EngineOptions, MatrixUse, Selected};
use crate::error::{CheckError, Error, Result, UsageError};
use crate::gpu::DeviceOptions;
use crate::plan::{ExecutionPath, Kernels};
use crate::tune::transfers::know_transfers;
use trial::{Again, MatrixUnitsTrial};

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
            other => Err(Error::unknown_name(
                "matrix units mode",
                other,
                ["on", "off", "auto"],
            )),
        }
    }
}

/// Opens the adapter that `options` mean, with its matrix units where f16 is to run on them.
///
/// # Errors
/// `Error::Usage` where the options contradict one another; `Error::MatrixUnitsUnavailable` and
/// `Error::CheckFailed` where they are requested for and are not there, or compute something else; those
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
    let lacks = selected.info().lacks_matrix_units();
    let matrix_units = match way(wanted, options.kernels, runs_f16, tuning, lacks) {
        MatrixUnitsPlan::Without(reason) => MatrixUse::no(reason),
        MatrixUnitsPlan::Missing(reason) => {
            return Err(Error::MatrixUnitsUnavailable {
                adapter: selected.info().to_string(),
                reason: reason.to_owned(),
            });
        }
        MatrixUnitsPlan::IfWorthIt => judge(&selected, &options, false, tuning).await?,
        MatrixUnitsPlan::IfRight => judge(&selected, &options, true, tuning).await?,
    };
    let engine = selected.open(&options, matrix_units).await?;
    if let Some(device) = engine.device() {
        know_transfers(device).await?;
    }
    Ok(engine)
}

/// The kernels that are left where f16 must run on matrix units.
fn only_matrix_units(kernels: Kernels, runs_f16: bool) -> Result<Kernels> {
    let (reason, remedy) = match kernels {
        _ if !runs_f16 => (
            "only f16 runs on matrix units, and f16 was not requested".to_owned(),
            "add --precision f16",
        ),
        Kernels::Named(variant) if !variant.on_matrix_units() => (
            format!("the kernel {} does not use them", variant.name),
            "drop --matrix-units on, or --kernel",
        ),
        Kernels::Path(path) if path != ExecutionPath::Fused => (
            format!("the {} path does not use them", path.name()),
            "drop --matrix-units on, or --path",
        ),
        Kernels::Named(_) => return Ok(kernels),
        _ => return Ok(Kernels::MatrixUnits),
    };
    Err(Error::Usage(UsageError::OptionConflict {
        option: "--matrix-units on".to_owned(),
        reason,
        remedy: remedy.to_owned(),
    }))
}

/// What is to be done about matrix units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MatrixUnitsPlan {
    /// Go without, for this reason.
    Without(&'static str),
    /// They are requested for and not there, for this reason.
    Missing(&'static str),
    /// Ask the trial whether they are worth it.
    IfWorthIt,
    /// Use them, if the trial finds them right.
    IfRight,
}

/// What the options mean on an adapter that `lacks` something, or nothing.
fn way(
    wanted: MatrixUnitsMode,
    kernels: Kernels,
    runs_f16: bool,
    tuning: Tuning,
    lacks: Option<&'static str>,
) -> MatrixUnitsPlan {
    let on = wanted == MatrixUnitsMode::On;
    match (kernels, lacks) {
        _ if wanted == MatrixUnitsMode::Off => MatrixUnitsPlan::Without("switched off"),
        _ if !runs_f16 => MatrixUnitsPlan::Without("f16 was not requested"),
        (_, Some(reason)) if on => MatrixUnitsPlan::Missing(reason),
        (_, Some(reason)) => MatrixUnitsPlan::Without(reason),
        _ if on => MatrixUnitsPlan::IfRight,
        // Who names a kernel for them wants them.
        (Kernels::Named(variant), _) if variant.on_matrix_units() => MatrixUnitsPlan::IfRight,
        (Kernels::Named(_), _) => {
            MatrixUnitsPlan::Without("the requested kernel does not use them")
        }
        (Kernels::Path(path), _) if path != ExecutionPath::Fused => {
            MatrixUnitsPlan::Without("the requested path does not use them")
        }
        _ if tuning == Tuning::Off => MatrixUnitsPlan::Without(
            "without tuning, the default kernels run, and these do not use them",
        ),
        _ => MatrixUnitsPlan::IfWorthIt,
    }
}

/// What the trial says; an error where they are requested for and cannot be used.
async fn judge(
    selected: &Selected,
    options: &EngineOptions,
    requested: bool,
    tuning: Tuning,
) -> Result<MatrixUse> {
    let again = match tuning {
        Tuning::Full => Again::Always,
        _ if requested => Again::UnlessRight,
        _ => Again::Never,
    };
    let trial = MatrixUnitsTrial::known_or_made(selected, &options.device, again).await;
    let decided = trial.decides();
    if !requested || decided.used {
        return Ok(decided);
    }
    let adapter = selected.info().to_string();
    match trial.result {
        TrialResult::Right { .. } => Ok(MatrixUse {
            used: true,
            reason: format!("requested; {}", decided.reason),
            ..decided
        }),
        TrialResult::Wrong { .. } => Err(Error::CheckFailed(CheckError::MatrixUnitsWrong {
            adapter,
            reason: decided.reason,
        })),
        TrialResult::Begun | TrialResult::Refused { .. } => Err(Error::MatrixUnitsUnavailable {
            adapter,
            reason: decided.reason,
        }),
    }
}

/// What an adapter's matrix units are good for, by the cache or by a trial, which is made again where
/// they are wanted `On` and it came to nothing; why there are none, where there are none.
pub async fn try_matrix_units(selected: &Selected, wanted: MatrixUnitsMode) -> MatrixUse {
    let again = match (selected.info().lacks_matrix_units(), wanted) {
        (Some(reason), _) => return MatrixUse::no(reason),
        (None, MatrixUnitsMode::Off) => return MatrixUse::no("switched off"),
        (None, MatrixUnitsMode::On) => Again::UnlessRight,
        (None, MatrixUnitsMode::Auto) => Again::Never,
    };
    let trial = MatrixUnitsTrial::known_or_made(selected, &DeviceOptions::default(), again).await;
    trial.decides()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::KernelVariant;

    #[test]
    fn options_mean_one_thing() {
        use MatrixUnitsMode::{Auto, Off, On};
        let named = |name| Kernels::Named(KernelVariant::find(name).unwrap());
        let (coop, other) = (named("coop-2x4"), named("register-8x8"));
        let (fused, network) = (
            Kernels::Path(ExecutionPath::Fused),
            Kernels::Path(ExecutionPath::Network),
        );
        let any = Kernels::Any;
        let quick = |wanted, kernels| way(wanted, kernels, true, Tuning::Quick, None);
        let without = |way| matches!(way, MatrixUnitsPlan::Without(_));
        assert_eq!(quick(Auto, any), MatrixUnitsPlan::IfWorthIt);
        assert_eq!(quick(Auto, fused), MatrixUnitsPlan::IfWorthIt);
        assert_eq!(quick(Auto, coop), MatrixUnitsPlan::IfRight);
        assert_eq!(quick(On, Kernels::MatrixUnits), MatrixUnitsPlan::IfRight);
        for kernels in [other, network] {
            assert!(without(quick(Auto, kernels)), "{kernels:?}");
        }
        for kernels in [any, fused, coop] {
            assert!(without(quick(Off, kernels)), "{kernels:?}");
        }
        assert!(without(way(Auto, any, true, Tuning::Off, None)));
        assert_eq!(
            way(Auto, coop, true, Tuning::Off, None),
            MatrixUnitsPlan::IfRight
        );
        assert_eq!(
            way(On, any, true, Tuning::Off, None),
            MatrixUnitsPlan::IfRight
        );
        assert!(without(way(Auto, any, false, Tuning::Quick, None)));
        let lacking = |wanted, kernels| way(wanted, kernels, true, Tuning::Quick, Some("none"));
        assert_eq!(lacking(On, any), MatrixUnitsPlan::Missing("none"));
        assert_eq!(lacking(Auto, any), MatrixUnitsPlan::Without("none"));
        assert_eq!(lacking(Auto, coop), MatrixUnitsPlan::Without("none"));
    }

    #[test]
    fn contradictions_are_refused() {
        let named = |name| Kernels::Named(KernelVariant::find(name).unwrap());
        let on = |kernels, f16| only_matrix_units(kernels, f16);
        assert_eq!(on(Kernels::Any, true).unwrap(), Kernels::MatrixUnits);
        assert_eq!(
            on(Kernels::Path(ExecutionPath::Fused), true).unwrap(),
            Kernels::MatrixUnits
        );
        assert_eq!(on(named("coop-1x4"), true).unwrap(), named("coop-1x4"));
        for (kernels, f16) in [
            (Kernels::Any, false),
            (named("register-8x8"), true),
            (Kernels::Path(ExecutionPath::Network), true),
        ] {
            assert_eq!(on(kernels, f16).unwrap_err().exit_code(), 2, "{kernels:?}");
        }
    }
}
