//! An earlier result, as far as it is compared: a document of `bench --format json`, or of `--save`.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::error::{Error, FileError, Result};
use crate::input::{Text, check_json, json_problem, read_small, unreadable};
use crate::mode::Mode;
use crate::results;

/// The versions of the document that are understood. Version 1 has one `adapter` instead of a list, and calls
/// `control_workloads` `yardsticks` and `correct_images` `right_images`.
const SCHEMAS: [u32; 2] = [1, 2];

/// The largest result that is read. A row has some thousand samples of three kinds, 20 bytes each.
const MAX_BYTES: u64 = 32 << 20;

/// The most values in it: a sample takes eight bytes and some spare memory, however short it is written.
const MAX_VALUES: usize = 3_000_000;

/// The most rows, and the most control workloads.
const MAX_ROWS: usize = 10_000;

/// An earlier result.
#[derive(Clone, Debug, Deserialize)]
pub struct Saved {
    pub(super) tool: Tool,
    pub(super) machine: Machine,
    /// What the run was made on; not empty.
    #[serde(alias = "adapter", deserialize_with = "one_or_more")]
    pub(super) adapters: Vec<Adapter>,
    pub(super) model: Model,
    pub(super) dataset: Hashed,
    #[serde(deserialize_with = "few")]
    pub(super) results: Vec<Row>,
    #[serde(alias = "yardsticks", deserialize_with = "few")]
    pub(super) control_workloads: Vec<ControlWorkload>,
    /// Why the run ended early, if it did.
    pub(super) incomplete: Option<IgnoredAny>,
    pub(super) verdict: Option<Verdict>,
    /// Whether it may be of another model than the one that it is compared with.
    #[serde(skip)]
    pub(super) may_be_of_other_model: bool,
}

/// The warnings about the run as a whole.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Verdict {
    #[serde(default, deserialize_with = "few")]
    pub(super) warnings: Vec<Warning>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Warning {
    pub(super) kind: Text,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tool {
    pub(super) commit: Option<Text>,
    pub(super) profile: Text,
    pub(super) date: Text,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Machine {
    pub(super) processor: Option<Text>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Adapter {
    pub(super) name: Text,
    pub(super) backend: Text,
    pub(super) kind: Text,
    pub(super) driver: Text,
    pub(super) processor: Option<Processor>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Processor {
    pub(super) threads: usize,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Model {
    pub(super) sha256: Text,
    /// What a quantized file runs as; none where the file has float weights.
    pub(super) quantized: Option<Text>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Hashed {
    pub(super) sha256: Text,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Row {
    pub(super) name: Text,
    pub(super) requested: Requested,
    pub(super) effective: Effective,
    #[serde(alias = "right_images")]
    pub(super) correct_images: Option<String>,
    pub(super) wall_ns: Option<Samples>,
    pub(super) upload_samples_ns: Option<Vec<u64>>,
    memory: Option<Memory>,
    /// The label of each image, if this program has just measured it.
    #[serde(skip)]
    pub(super) labels: Vec<u32>,
}

#[derive(Clone, Debug, Deserialize)]
struct Memory {
    device_allocated_bytes: Option<u64>,
}

impl Row {
    /// The bytes of all buffers that were made; none where that is not known.
    pub(super) fn held_bytes(&self) -> Option<u64> {
        self.memory.as_ref()?.device_allocated_bytes
    }

    /// The name of its mode now: it was another while int8 without a scheme was `dynamic-tensor`.
    fn rename(&mut self) {
        let name = self
            .requested
            .mode()
            .map(|mode| Text::try_from(mode.to_string()));
        if let Some(Ok(name)) = name {
            self.name = name;
        }
    }

    /// Whether it has a time end to end.
    pub(super) fn is_measured(&self) -> bool {
        self.wall_ns.is_some() && self.upload_samples_ns.is_some()
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Requested {
    pub(super) precision: Text,
    scheme: Option<Text>,
    weights: Option<Text>,
    #[serde(default, deserialize_with = "few")]
    layers: Vec<Text>,
    pub(super) batch: usize,
    /// Which of the adapters; none in a result of one adapter that is older than this field.
    pub(super) adapter: Option<usize>,
}

impl Requested {
    /// The mode; none where this program does not know it.
    fn mode(&self) -> Option<Mode> {
        let layers = self.layers.iter().map(|name| name.parse().ok());
        Some(Mode {
            precision: self.precision.parse().ok()?,
            scheme: self.scheme.as_deref().map(str::parse).transpose().ok()?,
            weights: self.weights.as_deref().map(str::parse).transpose().ok()?,
            layers: layers.collect::<Option<_>>()?,
        })
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Effective {
    pub(super) device: Option<Text>,
    pub(super) kernel: Option<Text>,
    pub(super) threads: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Samples {
    pub(super) samples: Vec<u64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct ControlWorkload {
    pub(super) batch: usize,
    pub(super) device: Text,
    pub(super) threads: Option<usize>,
    pub(super) work: Text,
    pub(super) wall_ns: Samples,
}

/// A list of at most [`MAX_ROWS`].
fn few<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Few<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_ROWS}")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut few = Vec::new();
            while let Some(one) = list.next_element()? {
                if few.len() == MAX_ROWS {
                    return Err(A::Error::invalid_length(MAX_ROWS + 1, &self));
                }
                few.push(one);
            }
            Ok(few)
        }
    }
    deserializer.deserialize_seq(Few(PhantomData))
}

/// A list of adapters, or the only one where there is no list.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Adapter>, D::Error> {
    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<Adapter>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an adapter, or a list of adapters")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Adapter::deserialize(MapAccessDeserializer::new(map)).map(|only| vec![only])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            let adapters: Vec<Adapter> = few(SeqAccessDeserializer::new(list))?;
            if adapters.is_empty() {
                return Err(A::Error::invalid_length(0, &self));
            }
            Ok(adapters)
        }
    }
    deserializer.deserialize_any(OneOrMore)
}

impl Saved {
    /// Reads a result.
    ///
    /// # Errors
    /// `Error::File` where it is missing, damaged, or of a format that is not understood.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = read_small(path, MAX_BYTES).map_err(|error| unreadable(path, &error))?;
        Self::parse(&bytes).map_err(|problem| Error::file(path, FileError::baseline(problem)))
    }

    /// The result of a run of this process on another model: its document as JSON, and its rows, which have the labels.
    ///
    /// # Errors
    /// `Error::Internal` where the document is none.
    pub fn of_other_model(json: &[u8], rows: &[results::Row]) -> Result<Self> {
        let mut saved = Self::decode(json).map_err(|problem| Error::encoding("JSON", problem))?;
        for (saved, row) in saved.results.iter_mut().zip(rows) {
            saved.labels.clone_from(&row.labels);
        }
        saved.may_be_of_other_model = true;
        Ok(saved)
    }

    /// Allows that it is of another model than the one that it is compared with.
    #[must_use]
    pub fn allowing_other_model(mut self) -> Self {
        self.may_be_of_other_model = true;
        self
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        // Every value but the first of a list or an object follows a comma.
        let commas = bytes.iter().filter(|&&byte| byte == b',').count();
        if commas > MAX_VALUES {
            return Err(format!("it has more than {MAX_VALUES} values"));
        }
        Self::decode(bytes)
    }

    /// As [`Saved::parse`], whatever its size.
    fn decode(bytes: &[u8]) -> Result<Self, String> {
        /// Read first, since everything else may differ in another version.
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        check_json(bytes)?;
        let head: Head = serde_json::from_slice(bytes).map_err(|error| problem(&error))?;
        if !SCHEMAS.contains(&head.schema) {
            let [first, last] = SCHEMAS;
            return Err(format!(
                "its schema is {}; this program reads {first} and {last}",
                head.schema
            ));
        }
        let mut saved: Self = serde_json::from_slice(bytes).map_err(|error| problem(&error))?;
        saved.results.iter_mut().for_each(Row::rename);
        Ok(saved)
    }

    /// When it was measured.
    #[must_use]
    pub fn date(&self) -> &str {
        &self.tool.date
    }
}

fn problem(error: &serde_json::Error) -> String {
    json_problem(error, "it is not a result of 'bench --format json'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::MAX_TEXT;

    /// The error of a result with a name, `rows` rows and `samples` samples; none where it is read.
    fn problem_of(name: &str, rows: usize, samples: usize) -> Option<String> {
        let name = serde_json::to_string(name).unwrap();
        let row = format!(
            r#"{{"name":{name},"requested":{{"precision":"f32","batch":1}},"effective":{{}}}}"#
        );
        let text = format!(
            r#"{{"schema":2,"tool":{{"profile":"release","date":"today"}},"machine":{{}},"adapters":[{{"name":"a","backend":"b","kind":"c","driver":"d"}}],"model":{{"sha256":""}},"dataset":{{"sha256":""}},"results":[{}],"control_workloads":[{{"batch":1,"device":"cpu","work":"w","wall_ns":{{"samples":[{}]}}}}]}}"#,
            vec![row; rows].join(","),
            vec!["1"; samples].join(",")
        );
        Saved::parse(text.as_bytes()).err()
    }

    #[test]
    fn both_versions_are_read_and_an_empty_list_of_adapters_is_none() {
        let adapter = r#"{"name":"a","backend":"b","kind":"c","driver":"d"}"#;
        let read = |schema: u32, adapter: &str, workloads: &str, images: &str| {
            let text = format!(
                r#"{{"schema":{schema},"tool":{{"profile":"release","date":"today"}},"machine":{{}},{adapter},"model":{{"sha256":""}},"dataset":{{"sha256":""}},"results":[{{"name":"f32","requested":{{"precision":"f32","batch":1}},"effective":{{}},"{images}":"ff"}}],"{workloads}":[{{"batch":1,"device":"cpu","work":"w","wall_ns":{{"samples":[1]}}}}]}}"#
            );
            Saved::parse(text.as_bytes())
        };
        let one = format!(r#""adapter":{adapter}"#);
        let list = format!(r#""adapters":[{adapter},{adapter}]"#);
        for saved in [
            read(1, &one, "yardsticks", "right_images"),
            read(2, &list, "control_workloads", "correct_images"),
        ] {
            let saved = saved.unwrap();
            assert_eq!(&*saved.adapters[0].name, "a");
            assert_eq!(saved.control_workloads.len(), 1);
            assert_eq!(saved.results[0].correct_images.as_deref(), Some("ff"));
        }
        let none = read(2, r#""adapters":[]"#, "control_workloads", "correct_images");
        assert!(none.is_err());
        let later = read(3, &list, "control_workloads", "correct_images");
        assert!(later.unwrap_err().contains("schema is 3"));
    }

    #[test]
    fn a_row_has_the_name_that_its_mode_has_now() {
        let named = |requested: &str| {
            let text = format!(
                r#"{{"name":"then","requested":{{"batch":1,{requested}}},"effective":{{}}}}"#
            );
            let mut row: Row = serde_json::from_str(&text).unwrap();
            row.rename();
            row.name.to_string()
        };
        let int8 = r#""precision":"int8","weights":"tensor","scheme":"#;
        assert_eq!(
            named(&format!(r#"{int8}"dynamic-tensor""#)),
            "int8 dynamic-tensor"
        );
        assert_eq!(
            named(&format!(r#"{int8}"dynamic-row""#)),
            "int8, weights by tensor"
        );
        let layers = r#""precision":"mixed","scheme":null,"weights":null,"layers":["f16","f32"]"#;
        assert_eq!(named(layers), "f16,f32");
        assert_eq!(named(r#""precision":"int2","scheme":null"#), "then");
    }

    #[test]
    fn a_result_is_read_up_to_its_limits() {
        assert_eq!(problem_of("f32", 1, 10), None);
        assert_eq!(problem_of("int8 static, größer", MAX_ROWS, 1), None);
        assert!(problem_of("f32", MAX_ROWS + 1, 1).is_some());
        assert_eq!(problem_of("f32", 1, MAX_VALUES - 100), None);
        assert!(problem_of("f32", 1, MAX_VALUES + 2).is_some());
        assert!(problem_of("\u{1b}[2J", 1, 1).is_some());
        assert!(problem_of(&"x".repeat(MAX_TEXT + 1), 1, 1).is_some());
    }
}
