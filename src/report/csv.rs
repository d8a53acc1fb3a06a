//! The one place that writes CSV.

use serde::Serialize;

use crate::error::{Error, Result};

/// Rows as CSV: a header line, then a line for each row. Fields that were not measured are empty.
///
/// # Errors
/// `Error::Internal` where the serializer refuses a row, which it does for no row of ours.
pub fn to_csv<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<String> {
    let internal = |error: String| Error::encoding("CSV", error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer
            .serialize(row)
            .map_err(|error| internal(error.to_string()))?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| internal(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| internal(error.to_string()))
}
