//! The formats of results.

use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Result, UsageError};

/// A format of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people at a terminal.
    Table,
    /// One document; see [`super::Document`].
    Json,
    /// A line for each row.
    Csv,
    /// A table for a README or an issue.
    Markdown,
    /// A page with charts, tables and images, for a browser.
    Html,
}

impl OutputFormat {
    /// The format that a file's extension names.
    ///
    /// # Errors
    /// `Error::Usage` where it names none.
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

impl FromStr for OutputFormat {
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

/// A format of `bench`: one of those of every command, or one for a CI service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchFormat {
    /// One of every command.
    Common(OutputFormat),
    /// The text with annotations for GitHub Actions.
    Github,
    /// JUnit XML.
    Junit,
}

impl BenchFormat {
    /// The format that a file's extension names.
    ///
    /// # Errors
    /// `Error::Usage` where it names none.
    pub fn of_path(path: &Path) -> Result<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("xml") => Ok(Self::Junit),
            _ => OutputFormat::of_path(path).map(Self::Common),
        }
    }
}

impl From<OutputFormat> for BenchFormat {
    fn from(format: OutputFormat) -> Self {
        Self::Common(format)
    }
}

impl FromStr for BenchFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "github" => Ok(Self::Github),
            "junit" => Ok(Self::Junit),
            _ => text.parse().map(Self::Common).map_err(|_: Error| {
                let all = [
                    "table", "json", "csv", "markdown", "html", "github", "junit",
                ];
                Error::unknown_name("format", text, all)
            }),
        }
    }
}
