//! Presenting: results to bytes, by pure functions that do not know how anything was measured.

mod adapter;
mod conclusion;
mod csv;
mod document;
mod format;
mod html;
mod json;
mod layout;
mod memory_limit;
mod peak;
mod row_csv;
mod rows;
mod search;
mod table;
mod text;
mod verify;

pub use crate::units::{bytes, count, duration, percent, rate};
pub use csv::to_csv;
pub use document::{AdapterEntry, DatasetInfo, Document, ModelInfo, SCHEMA, Tool};
pub use format::OutputFormat;
pub use json::to_json;
pub use layout::{Detail, Layout, Screen};
pub use peak::{CeilingLine, PeakDocument, PeakFigures};
pub use search::{
    SearchDocument, SearchSubject, search_document, search_preamble, search_result,
    sensitivity_table,
};
pub use table::{Column, Table};
pub use text::document as text;
pub use verify::{Compared, VerifyDocument, VerifyEnd, VerifySubject};

use crate::error::Result;

/// The whole document in a format; `detail` is how much a text says.
///
/// # Errors
/// `Error::Internal` where a serializer refuses, which it does for no value of ours.
pub fn render(document: &Document, format: OutputFormat, detail: Detail) -> Result<String> {
    match format {
        OutputFormat::Table => Ok(text::document(
            document,
            Layout::Terminal(Screen::PLAIN),
            detail,
        )),
        OutputFormat::Markdown => Ok(text::document(document, Layout::Markdown, detail)),
        OutputFormat::Json => to_json(document),
        OutputFormat::Csv => row_csv::rows(document),
        OutputFormat::Html => Ok(html::page(document)),
    }
}
