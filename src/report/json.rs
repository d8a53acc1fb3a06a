//! The one place that writes JSON.

use crate::error::{Error, Result};

/// Any value as indented JSON with a final newline.
///
/// # Errors
/// `Error::Internal` where a value has no JSON form.
pub fn to_json(value: &impl serde::Serialize) -> Result<String> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| Error::encoding("JSON", error))?;
    text.push('\n');
    Ok(text)
}
