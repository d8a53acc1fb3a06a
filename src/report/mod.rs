//! Presenting: results to bytes, by pure functions that do not know how anything was measured.

mod adapter;
mod conclusion;
mod csv;
mod document;
mod format;
mod github;
mod html;
mod json;
mod junit;
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
pub use document::{AdapterEntry, DatasetInfo, Document, Gate, ModelInfo, SCHEMA, Tool};
pub use format::{BenchFormat, OutputFormat};
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
pub fn render(
    document: &Document,
    format: impl Into<BenchFormat>,
    detail: Detail,
) -> Result<String> {
    let plain = Layout::Terminal(Screen::PLAIN);
    match format.into() {
        BenchFormat::Common(OutputFormat::Table) => Ok(text(document, plain, detail)),
        BenchFormat::Common(OutputFormat::Markdown) => Ok(text(document, Layout::Markdown, detail)),
        BenchFormat::Common(OutputFormat::Json) => to_json(document),
        BenchFormat::Common(OutputFormat::Csv) => row_csv::rows(document),
        BenchFormat::Common(OutputFormat::Html) => Ok(html::page(document)),
        BenchFormat::Github => Ok(github::annotated(document, detail)),
        BenchFormat::Junit => Ok(junit::xml(document)),
    }
}
