//! What a file's metadata says that a model is run as.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::str::FromStr;

use crate::Precision;
use crate::error::{Error, FileError, Result};
use crate::mode::Mode;
use crate::printable::is_harmless;
use crate::scheme::{Scheme, WeightScales};

/// The entries that say it.
pub(crate) const MODE_KEYS: [&str; 4] = ["precision", "layer_precisions", "scheme", "weights"];

/// A metadata entry, parsed.
pub(crate) fn entry<T>(
    path: &Path,
    metadata: &HashMap<String, String>,
    key: &str,
) -> Result<Option<T>>
where
    T: FromStr<Err: std::fmt::Display>,
{
    metadata
        .get(key)
        .map(|text| text.trim().parse::<T>())
        .transpose()
        .map_err(|error| Error::file(path, FileError::model(format!("metadata '{key}': {error}"))))
}

/// The names of the outputs; empty where metadata have none.
///
/// # Errors
/// `Error::File` where one could steer the terminal that it is shown on.
pub(crate) fn classes(path: &Path, metadata: &HashMap<String, String>) -> Result<Vec<String>> {
    let Some(names) = metadata.get("classes") else {
        return Ok(Vec::new());
    };
    if let Some(bad) = names.chars().find(|&character| !is_harmless(character)) {
        let problem = format!("metadata 'classes' has the control character {bad:?}");
        return Err(Error::file(path, FileError::model(problem)));
    }
    let name = |name: &str| name.trim().to_owned();
    Ok(names.split(',').map(name).collect())
}

/// The mode that the metadata name, if any.
///
/// # Errors
/// `Error::File` where they do not fit each other.
pub(crate) fn mode(path: &Path, metadata: &HashMap<String, String>) -> Result<Option<Mode>> {
    let fail = |problem: &str| {
        Err(Error::file(
            path,
            FileError::model(format!("metadata: {problem}")),
        ))
    };
    let precision = entry::<Precision>(path, metadata, "precision")?;
    let scheme = entry::<Scheme>(path, metadata, "scheme")?;
    let weights = entry::<WeightScales>(path, metadata, "weights")?;
    let mode = match (precision, metadata.get("layer_precisions")) {
        (None | Some(Precision::Mixed), Some(list)) => {
            let layers: Result<Vec<Precision>> =
                list.split(',').map(|name| name.trim().parse()).collect();
            let scheme = scheme.unwrap_or(Scheme::DynamicRow);
            let weights = weights.unwrap_or(WeightScales::Channel);
            layers.and_then(|layers| Mode::mixed(layers, scheme, weights))
        }
        (Some(_), Some(_)) => return fail("'layer_precisions' needs the precision mixed"),
        (Some(Precision::Mixed), None) => {
            return fail("the precision mixed needs 'layer_precisions'");
        }
        (Some(Precision::Int8), None) => {
            let scheme = scheme.unwrap_or_default();
            Ok(match scheme {
                Scheme::DynamicTensor if weights == Some(WeightScales::Channel) => {
                    return fail("weights by channel need the scheme dynamic-row or static");
                }
                Scheme::DynamicTensor => Mode::reference_int8(),
                _ => Mode::int8(scheme, weights.unwrap_or(WeightScales::Channel)),
            })
        }
        (Some(precision), None) => Ok(Mode::from(precision)),
        (None, None) => return Ok(None),
    };
    mode.map(Some)
        .map_err(|error| Error::file(path, FileError::model(format!("metadata: {error}"))))
}

/// The entries that name a mode.
pub(crate) fn mode_entries(mode: &Mode) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::from([("precision".to_owned(), mode.precision.to_string())]);
    if !mode.layers.is_empty() {
        let names: Vec<&str> = mode.layers.iter().map(|layer| layer.name()).collect();
        entries.insert("layer_precisions".into(), names.join(","));
    }
    if let Some(scheme) = mode.scheme {
        entries.insert("scheme".into(), scheme.to_string());
    }
    if let Some(weights) = mode.weights {
        entries.insert("weights".into(), weights.to_string());
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_reads_as_it_was_written() {
        let layers = vec![Precision::F16, Precision::Int8];
        let mut modes = Mode::every();
        for scheme in [Scheme::DynamicRow, Scheme::Static] {
            for weights in [WeightScales::Tensor, WeightScales::Channel] {
                modes.push(Mode::int8(scheme, weights));
                modes.push(Mode::mixed(layers.clone(), scheme, weights).unwrap());
            }
        }
        for expected in modes {
            let metadata = mode_entries(&expected).into_iter().collect();
            let read = mode(Path::new("m"), &metadata).unwrap();
            assert_eq!(read, Some(expected));
        }
        assert_eq!(mode(Path::new("m"), &HashMap::new()).unwrap(), None);
    }

    #[test]
    fn names_of_classes_do_not_steer_a_terminal() {
        let read = |names: &str| {
            let metadata = HashMap::from([("classes".to_owned(), names.to_owned())]);
            classes(Path::new("m"), &metadata)
        };
        assert_eq!(read("Bag, größer").unwrap(), ["Bag", "größer"]);
        assert_eq!(classes(Path::new("m"), &HashMap::new()).unwrap(), [""; 0]);
        for bad in ["Bag,\u{1b}[2J", "a\nb", "a\u{202e}b"] {
            let error = read(bad).unwrap_err();
            assert_eq!(error.exit_code(), 7);
            assert!(!error.to_string().chars().any(char::is_control), "{error}");
        }
    }

    #[test]
    fn entries_that_do_not_fit_are_refused() {
        for entries in [
            vec![("precision", "mixed")],
            vec![("precision", "f16"), ("layer_precisions", "f16,f32")],
            vec![("layer_precisions", "f16,mixed")],
            vec![("layer_precisions", "f16,f17")],
            vec![("layer_precisions", "int8"), ("scheme", "dynamic-tensor")],
            vec![("precision", "int8"), ("scheme", "nosuch")],
            vec![("precision", "int8"), ("weights", "nosuch")],
            vec![
                ("precision", "int8"),
                ("scheme", "dynamic-tensor"),
                ("weights", "channel"),
            ],
        ] {
            let metadata: HashMap<String, String> = entries
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect();
            let error = mode(Path::new("m"), &metadata).unwrap_err();
            assert_eq!(error.exit_code(), 7, "{entries:?}");
        }
    }
}
