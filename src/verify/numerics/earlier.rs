//! The numerics report of an earlier result of `verify`, from a file that may come from anywhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::report::{NumericsReport, Observed, names};
use crate::error::{Error, FileError, Result};
use crate::input::{Text, check_json, json_problem, read_small, unreadable};

/// The versions of the document that are understood. In the first, `numerics` is called `passport`.
const SCHEMAS: [u32; 2] = [1, 2];

/// The largest result that is read: one with every check has some hundred KiB.
const MAX_BYTES: u64 = 4 << 20;

/// The numerics report of an earlier result, and the adapter that it describes.
#[derive(Clone, Debug)]
pub struct Earlier {
    pub(crate) adapter: Text,
    pub(crate) driver: Text,
    pub(crate) numerics: NumericsReport,
}

/// The part of a result that is read: neither checks nor reasons.
#[derive(Deserialize)]
struct Document {
    schema: u32,
    adapter: Adapter,
    #[serde(alias = "passport")]
    numerics: EarlierNumerics,
}

#[derive(Deserialize)]
struct Adapter {
    name: Text,
    driver: Text,
}

#[derive(Deserialize)]
struct EarlierNumerics {
    #[serde(deserialize_with = "known")]
    observations: BTreeMap<String, Observed>,
}

impl Earlier {
    /// Reads a result of `verify --format json`.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or none.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_small(path, MAX_BYTES).map_err(|error| unreadable(path, &error))?;
        Self::parse(&bytes).map_err(|problem| Error::file(path, FileError::verify_result(problem)))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        check_json(bytes)?;
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| json_problem(&error, "not a result of 'verify --format json'"))?;
        if !SCHEMAS.contains(&document.schema) {
            let [first, last] = SCHEMAS;
            return Err(format!(
                "its schema is {}; this program reads {first} and {last}",
                document.schema
            ));
        }
        Ok(Self {
            adapter: document.adapter.name,
            driver: document.adapter.driver,
            numerics: NumericsReport {
                observations: document.numerics.observations,
                not_applicable: BTreeMap::new(),
            },
        })
    }
}

/// The observations of known names; others, which a later version may have, are passed over.
fn known<'de, D>(deserializer: D) -> Result<BTreeMap<String, Observed>, D::Error>
where
    D: Deserializer<'de>,
{
    struct KnownNames;

    impl<'de> Visitor<'de> for KnownNames {
        type Value = BTreeMap<String, Observed>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("observations by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut seen = BTreeMap::new();
            while let Some(name) = map.next_key::<String>()? {
                if names().any(|(known, _)| known == name) {
                    seen.insert(name, map.next_value::<EarlierValue>()?.0);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(seen)
        }
    }
    deserializer.deserialize_map(KnownNames)
}

/// One observation: nothing, yes or no, a number, or a word. Lists and objects are refused as they begin.
struct EarlierValue(Observed);

impl<'de> Deserialize<'de> for EarlierValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneVisitor).map(Self)
    }
}

struct OneVisitor;

impl Visitor<'_> for OneVisitor {
    type Value = Observed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an observation")
    }

    fn visit_unit<E>(self) -> Result<Observed, E> {
        Ok(Observed::Nothing)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Observed, E> {
        Ok(Observed::Flag(flag))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Observed, E> {
        Ok(Observed::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Observed, E> {
        Ok(Observed::Number(number as f64))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Observed, E> {
        Ok(Observed::Number(number as f64))
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Observed, E> {
        let word = Text::try_from(word.to_owned()).map_err(E::custom)?;
        Ok(Observed::Word(word.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(observations: &str) -> String {
        format!(
            r#"{{"schema":2,"adapter":{{"name":"a","driver":"d"}},"numerics":{{"observations":{{{observations}}}}}}}"#
        )
    }

    #[test]
    fn a_report_is_read_as_it_is_written_in_both_schemas() {
        let mut report = NumericsReport::default();
        report.word("fma", "fused");
        report.number("exp_ulps", 1.5);
        report.number("division_ulps", 2.0);
        report.number("timestamp_period_ns", f64::INFINITY);
        report.flag("timestamp_monotonic", true);
        report.nothing("f16_round_trip", "no shader-f16");
        let observations = serde_json::to_string(&report.observations).unwrap();
        let text = document(&observations[1..observations.len() - 1]);
        let earlier = Earlier::parse(text.as_bytes()).unwrap();
        assert_eq!(earlier.numerics.observations, report.observations);
        assert_eq!(report.differences(&earlier.numerics), []);
        let first = text.replace("\"schema\":2", "\"schema\":1");
        let first = first.replace("\"numerics\"", "\"passport\"");
        let earlier = Earlier::parse(first.as_bytes()).unwrap();
        assert_eq!(report.differences(&earlier.numerics), []);
    }

    #[test]
    fn only_what_is_known_is_kept_and_nothing_steers_a_terminal() {
        let read = |observations: &str| Earlier::parse(document(observations).as_bytes());
        let kept = read(r#""later":[{"a":[1]}],"fma":"fused""#).unwrap();
        assert_eq!(kept.numerics.observations.len(), 1);
        for bad in [
            r#""fma":"\u001b[2J""#,
            r#""fma":["fused"]"#,
            r#""exp_ulps":{}"#,
            r#""exp_ulps":1e999"#,
        ] {
            let problem = read(bad).unwrap_err();
            assert!(problem.contains("line 1"), "{problem}");
            assert!(
                !problem.contains('\u{1b}') && problem.len() < 200,
                "{problem}"
            );
        }
        let long = format!(r#""fma":"{}""#, "x".repeat(2_000));
        assert!(read(&long).is_err());
        let other = document("").replace("\"schema\":2", "\"schema\":3");
        assert!(Earlier::parse(other.as_bytes()).is_err());
    }
}
