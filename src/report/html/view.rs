//! The document as the report looks at it: rows by batch size and adapter, and those that it speaks of first.

use std::cmp::Reverse;

use super::figure::{Figure, Traced};
use super::series::Series;
use crate::report::document::Document;
use crate::results::{Changed, Row};

/// The most rows of a table, with which a report stays small.
const MOST_ROWS: usize = 100;

/// A row, and its place in the results.
#[derive(Clone, Copy)]
pub struct Placed<'a> {
    pub at: usize,
    pub row: &'a Row,
}

impl Placed<'_> {
    pub fn name(&self) -> String {
        self.row.name.clone()
    }

    /// The batch size that it ran with.
    pub fn batch(&self) -> Figure {
        Figure::count(
            self.pointer("effective/batch"),
            Some(self.row.effective.batch as u64),
        )
    }

    /// The JSON pointer of one of its fields.
    pub fn pointer(&self, field: &str) -> String {
        format!("/results/{}/{field}", self.at)
    }
}

/// The rows of one batch size on one adapter.
pub struct Batch<'a> {
    /// Images in a batch, as it ran.
    pub size: usize,
    /// Which of the document's adapters they were requested on.
    pub adapter: usize,
    /// What that is called, if there are several.
    pub on: Option<&'static str>,
    pub rows: Vec<Placed<'a>>,
}

impl<'a> Batch<'a> {
    /// Its size, as it stands in the JSON.
    pub fn figure(&self) -> Figure {
        let pointer = self
            .rows
            .first()
            .map(|first| first.pointer("effective/batch"));
        Figure::count(pointer.unwrap_or_default(), Some(self.size as u64))
    }

    /// What distinguishes it from the others in an id.
    pub fn id(&self) -> String {
        match self.on {
            Some(backend) => format!("{}-{backend}", self.size),
            None => self.size.to_string(),
        }
    }

    /// `Batch 1 on vulkan`
    pub fn title(&self) -> Traced {
        self.place(Traced::from("Batch "))
    }

    /// What a chart of it is called: `Latency, batch 1 on vulkan`.
    pub fn titled(&self, subject: &str) -> Traced {
        self.place(Traced::from(subject).and(", batch "))
    }

    fn place(&self, start: Traced) -> Traced {
        let title = start.and(self.figure());
        match self.on {
            Some(backend) => title.and(" on ").and(backend),
            None => title,
        }
    }

    /// The rows that were measured.
    pub fn measured(&self) -> impl Iterator<Item = Placed<'a>> {
        self.rows
            .iter()
            .copied()
            .filter(|placed| placed.row.wall_ns.is_some())
    }
}

/// The document, and what is needed of it again and again.
pub struct View<'a> {
    pub document: &'a Document,
    pub series: Series,
    /// The smallest batch first, then in the order of the adapters.
    pub batches: Vec<Batch<'a>>,
}

impl<'a> View<'a> {
    pub fn new(document: &'a Document) -> Self {
        let mut batches: Vec<Batch<'a>> = Vec::new();
        for (at, row) in document.results.iter().enumerate() {
            let (placed, size) = (Placed { at, row }, row.effective.batch);
            let adapter = row.requested.adapter;
            let same = |batch: &&mut Batch<'_>| (batch.size, batch.adapter) == (size, adapter);
            match batches.iter_mut().find(same) {
                Some(batch) => batch.rows.push(placed),
                None => batches.push(Batch {
                    size,
                    adapter,
                    on: document.requested_on(adapter),
                    rows: vec![placed],
                }),
            }
        }
        batches.sort_by_key(|batch| (batch.size, batch.adapter));
        let series = Series::of(document);
        Self {
            document,
            series,
            batches,
        }
    }

    /// The row to deploy, if any.
    pub fn recommended(&self) -> Option<Placed<'a>> {
        let at = self.document.verdict.recommended.as_ref()?.row;
        Some(Placed {
            at,
            row: self.document.results.get(at)?,
        })
    }

    /// The batch size and adapter of the row to deploy, else the largest that was measured.
    pub fn focus(&self) -> Option<&Batch<'a>> {
        let recommended = self.recommended();
        let own = recommended.and_then(|placed| self.batch_of(placed));
        own.or_else(|| {
            self.batches
                .iter()
                .rev()
                .find(|batch| batch.measured().next().is_some())
        })
    }

    /// Whether a batch size has charts: it has several precisions, which can be compared, or no batch size has.
    pub fn is_charted(&self, batch: &Batch<'_>) -> bool {
        batch.rows.len() > 1 || self.batches.iter().all(|batch| batch.rows.len() < 2)
    }

    /// The batches with charts: those of the batch size that the answer is about, and those of the others.
    pub fn charted(&self) -> (Vec<&Batch<'a>>, Vec<&Batch<'a>>) {
        let all = self.batches.iter().filter(|batch| self.is_charted(batch));
        let all: Vec<&Batch<'a>> = all.collect();
        let focus = self.focus().map(|batch| batch.size);
        let in_focus = all.iter().find(|batch| Some(batch.size) == focus);
        let size = in_focus.or(all.last()).map(|batch| batch.size);
        all.into_iter().partition(|batch| Some(batch.size) == size)
    }

    /// The batches of the tables: all, or, where they have too many rows, those of the batch size that the answer is about,
    /// of the smallest and the largest, and of as many others as there is room for.
    pub fn listed(&self) -> Vec<&Batch<'a>> {
        let mut sizes: Vec<usize> = self.batches.iter().map(|batch| batch.size).collect();
        sizes.dedup();
        let focus = self.focus().map(|batch| batch.size);
        let first = [focus, sizes.first().copied(), sizes.last().copied()];
        let rows_of = |size: usize| -> usize {
            let own = self.batches.iter().filter(|batch| batch.size == size);
            own.map(|batch| batch.rows.len()).sum()
        };
        let (mut listed, mut rows): (Vec<usize>, usize) = (Vec::new(), 0);
        for size in first.into_iter().flatten().chain(sizes) {
            if !listed.contains(&size) && (listed.is_empty() || rows + rows_of(size) <= MOST_ROWS) {
                rows += rows_of(size);
                listed.push(size);
            }
        }
        let all = self.batches.iter();
        all.filter(|batch| listed.contains(&batch.size)).collect()
    }

    /// The changed images of every batch size, with their places in the document: those of the focus first,
    /// then the largest batch.
    pub fn changed(&self) -> Vec<(usize, &'a Changed)> {
        let focus = self.focus().map(|batch| batch.size);
        let mut all: Vec<(usize, &Changed)> = self.document.changed.iter().enumerate().collect();
        all.sort_by_key(|(_, changed)| (Some(changed.batch) != focus, Reverse(changed.batch)));
        all
    }

    /// The f32 row beside a row.
    pub fn f32_beside(&self, placed: Placed<'_>) -> Option<Placed<'a>> {
        let batch = self.batch_of(placed)?;
        batch.measured().find(|other| other.name() == "f32")
    }

    /// The rows that a row stands among.
    fn batch_of(&self, placed: Placed<'_>) -> Option<&Batch<'a>> {
        let (size, adapter) = (placed.row.effective.batch, placed.row.requested.adapter);
        let same = |batch: &&Batch<'_>| (batch.size, batch.adapter) == (size, adapter);
        self.batches.iter().find(same)
    }
}

/// Names of classes come from a model's file.
impl View<'_> {
    /// The name of a class; its number where the model gives no name.
    pub fn class(&self, class: usize) -> String {
        let name = self.document.model.classes.get(class);
        name.cloned().unwrap_or_else(|| class.to_string())
    }

    /// The same as a quotation of the result, since a name may be a number.
    pub fn quoted_class(&self, class: usize) -> Traced {
        match self.document.model.classes.get(class) {
            Some(name) => Traced::quoted(format!("/model/classes/{class}"), name),
            None => Traced::from(class.to_string()),
        }
    }

    /// The same with at most so many characters.
    pub fn short_class(&self, class: usize, most: usize) -> String {
        let name = self.class(class);
        if name.chars().count() <= most {
            return name;
        }
        let start: String = name.chars().take(most - 1).collect();
        format!("{}…", start.trim_end())
    }
}

impl View<'_> {
    /// Whether the outputs are probabilities.
    pub fn has_probabilities(&self) -> bool {
        self.document.model.activations.last() == Some(&"softmax")
    }
}
