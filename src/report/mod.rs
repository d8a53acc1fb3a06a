//! Presenting: results to bytes. Pure functions that know nothing of how anything was measured.

mod csv;
mod decision;
mod document;
mod grid;
mod html;
mod memory_limit;
mod peak;
mod search;
mod table;
mod verify;

use std::path::Path;
use std::str::FromStr;

pub use crate::units::{bytes, count, duration, percent, rate};
pub use decision::conclusion;
pub use document::{DatasetInfo, Document, ModelInfo, SCHEMA, Tool};
pub use grid::{Column, Layout, Screen, grid};
pub use peak::PeakDocument;
pub use search::{
    SearchDocument, SearchSubject, search_document, search_preamble, search_result,
    sensitivity_table,
};
pub use table::{closing, opening, rows_table};
pub use verify::{Compared, VerifyDocument, VerifyEnd, VerifySubject};

use crate::error::{Error, Result, UsageError};

/// What results can be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Table,
    /// One document; see [`Document`].
    Json,
    /// A line for each result.
    Csv,
    /// A table for a README or an issue.
    Markdown,
    /// A page of its own: charts, tables and images, for a browser.
    Html,
}

impl Format {
    /// The format that a file's extension stands for.
    ///
    /// # Errors
    /// `Error::Usage` where it stands for none.
    pub fn of_path(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some("md" | "markdown") => Ok(Self::Markdown),
            Some("txt") => Ok(Self::Table),
            Some("html" | "htm") => Ok(Self::Html),
            _ => Err(Error::Usage(UsageError::UnknownExtension {
                path: path.to_owned(),
            })),
        }
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "markdown" | "md" => Ok(Self::Markdown),
            "html" => Ok(Self::Html),
            _ => Err(Error::unknown_name(
                "format",
                text,
                ["table", "json", "csv", "markdown", "html"],
            )),
        }
    }
}

/// The whole document in a format.
///
/// # Errors
/// `Error::Internal` where a serializer refuses, which it does for no value of ours.
pub fn render(document: &Document, format: Format) -> Result<String> {
    match format {
        Format::Table => Ok(table::document(document, Layout::Terminal(Screen::PLAIN))),
        Format::Markdown => Ok(table::document(document, Layout::Markdown)),
        Format::Json => to_json(document),
        Format::Csv => csv::rows(document),
        Format::Html => Ok(html::page(document)),
    }
}

/// Any value as indented JSON with a line's end.
///
/// # Errors
/// `Error::Internal` where a value has no JSON form.
pub fn to_json(value: &impl serde::Serialize) -> Result<String> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| Error::encoding("JSON", error))?;
    text.push('\n');
    Ok(text)
}
