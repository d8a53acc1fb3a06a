//! Keys that stand twice in an object of a JSON text. Parsers let the last one win in silence.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The first key that an object of this JSON text has twice; none where there is none, or where the text is not JSON.
pub(crate) fn duplicate_key(json: &[u8]) -> Option<String> {
    let mut found = None;
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    // What is wrong beside that, its reader says.
    let _ = Keys(&mut found).deserialize(&mut deserializer);
    found
}

/// Visits a value and what is in it.
struct Keys<'a>(&'a mut Option<String>);

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if seen.contains(&key) {
                *self.0 = Some(key);
                return Err(A::Error::custom("a key stands twice"));
            }
            seen.insert(key);
            map.next_value_seed(Keys(self.0))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while values.next_element_seed(Keys(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_in_one_object_is_found_at_any_depth() {
        let of = |json: &str| duplicate_key(json.as_bytes());
        for json in ["{}", "[]", "1", r#"{"a":{"a":[{"a":1},{"a":2}]},"b":null}"#] {
            assert_eq!(of(json), None, "{json}");
        }
        assert_eq!(of(r#"{"a":1,"b":true,"a":1.5}"#), Some("a".into()));
        assert_eq!(of(r#"{"x":[0,{"k":"v","k":"v"}]}"#), Some("k".into()));
        // Escapes make no other key of it.
        assert_eq!(of(r#"{"ab":1,"\u0061b":2}"#), Some("ab".into()));
        // Found before the text breaks off.
        assert_eq!(of(r#"{"a":1,"a":"#), Some("a".into()));
        assert_eq!(of(r#"{"a":1,"#), None);
        assert_eq!(of(&"[".repeat(100_000)), None);
    }
}
