//! The report.
use super::document::Document;
pub(super) fn page(_document: &Document) -> String {
    String::new()
}
