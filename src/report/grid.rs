//! Tables of text, on a terminal of any width or in Markdown.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width, presets,
};

/// The style of a heading, where colours are on.
pub(super) const BOLD: anstyle::Style = anstyle::Style::new().bold();

/// The text of a cell that has no value.
pub(super) const NOTHING: &str = "–";

/// How a table is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// For a terminal, or a file that is read as on one.
    Terminal(Screen),
    /// A Markdown table.
    Markdown,
}

impl Layout {
    /// Text between tables, its lines broken where a terminal's end.
    #[must_use]
    pub fn wrap(self, text: String) -> String {
        match self {
            Self::Terminal(screen) => wrapped(&text, screen),
            Self::Markdown => text,
        }
    }
}

impl Layout {
    /// A paragraph behind a mark, which stands before its first line only.
    #[must_use]
    pub fn paragraph(self, mark: &str, text: &str) -> String {
        let Self::Terminal(screen) = self else {
            return format!("{mark}{text}\n");
        };
        let indent = " ".repeat(mark.chars().count());
        let options = textwrap::Options::new(usize::from(screen.width))
            .initial_indent(mark)
            .subsequent_indent(&indent)
            .break_words(false);
        textwrap::fill(text, options) + "\n"
    }
}

/// The heading of a section.
pub(super) fn heading(title: &str, layout: Layout) -> String {
    let Layout::Terminal(screen) = layout else {
        return format!("### {title}\n\n");
    };
    let lines = textwrap::wrap(title, usize::from(screen.width));
    let line = |line: &std::borrow::Cow<'_, str>| {
        if screen.color {
            format!("{BOLD}{line}{BOLD:#}\n")
        } else {
            format!("{line}\n")
        }
    };
    lines.iter().map(line).collect()
}

/// What a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line.
    pub width: u16,
    /// Whether it takes ANSI's colours.
    pub color: bool,
}

impl Screen {
    /// A file or a pipe: 120 columns without colour.
    pub const PLAIN: Self = Self {
        width: 120,
        color: false,
    };
}

/// A column of a table that may be too wide for a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What stands over it.
    pub name: &'static str,
    /// Where it stands in the order in which columns are left out, the first 1; 0 for one that stays.
    pub left_out: u8,
}

/// One rule under the header: a line for each row costs half the height and shows no more.
const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table of text; the first `left` columns are words, the others numbers. What is too wide for the
/// screen is wrapped inside its cells.
#[must_use]
pub fn grid(layout: Layout, header: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let Layout::Terminal(screen) = layout else {
        return markdown(header, rows, left);
    };
    let mut table = draw(screen, header, rows, left);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(screen.width);
    let least = least_widths(header, rows, left);
    // A space stands between columns.
    let all: usize = least.iter().sum::<usize>() + least.len().saturating_sub(1);
    if all <= usize::from(screen.width) {
        for (column, least) in table.column_iter_mut().zip(least) {
            let least = u16::try_from(least).unwrap_or(u16::MAX);
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
        }
    }
    lines(&table)
}

/// As [`grid`], without the columns that the screen has no room for. Gives the names of those, too.
#[must_use]
pub fn fitted(
    layout: Layout,
    columns: &[Column],
    rows: &[Vec<String>],
    left: usize,
) -> (String, Vec<&'static str>) {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let mut dropped = Vec::new();
    loop {
        let header: Vec<&str> = shown.iter().map(|&at| columns[at].name).collect();
        let cells = |row: &Vec<String>| shown.iter().map(|&at| row[at].clone()).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        let left = shown.iter().filter(|&&at| at < left).count();
        let next = columns.iter().enumerate();
        let next = next.filter(|(at, column)| column.left_out > 0 && shown.contains(at));
        let next = next.min_by_key(|(_, column)| column.left_out);
        match (layout, next) {
            (Layout::Terminal(screen), Some((at, column)))
                if natural_width(screen, &header, &rows, left) > usize::from(screen.width) =>
            {
                dropped.push(column.name);
                shown.retain(|&other| other != at);
            }
            _ => return (grid(layout, &header, &rows, left), dropped),
        }
    }
}

/// What each column needs so that no word and no number is broken, padding included.
fn least_widths(header: &[&str], rows: &[Vec<String>], left: usize) -> Vec<usize> {
    let longest = |text: &str, parts: fn(char) -> bool| {
        let parts = text.split(parts).map(|part| part.chars().count());
        parts.max().unwrap_or(0)
    };
    let of_column = |(at, name): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        let parts: fn(char) -> bool = if at < left {
            char::is_whitespace
        } else {
            |letter| letter == '\n'
        };
        let cells = cells.map(|cell| longest(cell, parts)).max().unwrap_or(0);
        longest(name, char::is_whitespace).max(cells) + usize::from(at < left)
    };
    header.iter().enumerate().map(of_column).collect()
}

/// The columns that a table takes where nothing is wrapped.
fn natural_width(screen: Screen, header: &[&str], rows: &[Vec<String>], left: usize) -> usize {
    let plain = Screen {
        color: false,
        ..screen
    };
    let table = draw(plain, header, rows, left).to_string();
    let widths = table.lines().map(|line| line.trim_end().chars().count());
    widths.max().unwrap_or(0)
}

fn draw(screen: Screen, header: &[&str], rows: &[Vec<String>], left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(RULED).force_no_tty();
    if screen.color {
        table.enforce_styling();
    }
    let bold = |text: &&str| Cell::new(text).add_attribute(Attribute::Bold);
    table.set_header(header.iter().map(bold).collect::<Vec<_>>());
    for row in rows {
        let named = header.iter().copied().chain(std::iter::repeat(""));
        table.add_row(
            row.iter()
                .zip(named)
                .map(|(text, name)| cell(name, text))
                .collect::<Vec<_>>(),
        );
    }
    align(&mut table, left);
    for (index, column) in table.column_iter_mut().enumerate() {
        // A space stands between columns as it is; words want one more behind them.
        column.set_padding((0, u16::from(index < left)));
    }
    table
}

/// A cell under a heading. Colour says nothing that the text does not say.
fn cell(name: &str, text: &str) -> Cell {
    let cell = Cell::new(text);
    let ratio = text
        .strip_suffix('×')
        .and_then(|ratio| ratio.parse::<f64>().ok());
    match (name, ratio) {
        ("speed", Some(ratio)) if ratio >= 1.05 => cell.fg(Color::Green),
        ("speed", Some(ratio)) if ratio <= 0.95 => cell.fg(Color::Red),
        ("precision", _) => cell.add_attribute(Attribute::Bold),
        _ => cell,
    }
}

fn markdown(header: &[&str], rows: &[Vec<String>], left: usize) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).force_no_tty();
    table.set_header(header.to_vec());
    for row in rows {
        // A bar would end the cell.
        table.add_row(
            row.iter()
                .map(|text| text.replace('|', "\\|"))
                .collect::<Vec<_>>(),
        );
    }
    align(&mut table, left);
    lines(&table)
}

fn align(table: &mut Table, left: usize) {
    for column in table.column_iter_mut().skip(left) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn lines(table: &Table) -> String {
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

/// Text, its lines broken between words where they are too long. A line that begins with
/// a word and two spaces goes on under what follows these, as a line of spaces does under its own.
fn wrapped(text: &str, screen: Screen) -> String {
    let width = usize::from(screen.width);
    let mut all = String::new();
    for line in text.lines() {
        let indent = " ".repeat(hanging(line).min(width / 2));
        let start: String = line.chars().take(indent.len()).collect();
        let rest: String = line.chars().skip(indent.len()).collect();
        let options = textwrap::Options::new(width)
            .initial_indent(&start)
            .subsequent_indent(&indent)
            .break_words(false);
        all.push_str(&textwrap::fill(&rest, options));
        all.push('\n');
    }
    all
}

/// The column where a line's text begins, behind its name if it has one.
fn hanging(line: &str) -> usize {
    let leading = line.chars().take_while(|&c| c == ' ').count();
    if leading > 0 {
        return leading;
    }
    let Some((name, _)) = line
        .split_once("  ")
        .filter(|(name, _)| !name.contains(' '))
    else {
        return 0;
    };
    let name = name.chars().count();
    name + line.chars().skip(name).take_while(|&c| c == ' ').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column {
            name: "name",
            left_out: 0,
        },
        Column {
            name: "second",
            left_out: 2,
        },
        Column {
            name: "first",
            left_out: 1,
        },
        Column {
            name: "stays",
            left_out: 0,
        },
    ];

    fn rows() -> Vec<Vec<String>> {
        let row = ["f32", "some words", "12345678", "1.00×"];
        vec![row.map(str::to_owned).to_vec(); 2]
    }

    #[test]
    fn columns_are_left_out_in_their_order_until_the_rest_fits() {
        let mut counts = Vec::new();
        for width in 10..=60 {
            let screen = Screen {
                width,
                color: false,
            };
            let (text, dropped) = fitted(Layout::Terminal(screen), &COLUMNS, &rows(), 1);
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(width), "{width}:\n{text}");
            let expected: &[&str] = match dropped.len() {
                0 => &[],
                1 => &["first"],
                _ => &["first", "second"],
            };
            assert_eq!(dropped, expected);
            counts.push(dropped.len());
        }
        assert!(counts.is_sorted_by(|a, b| a >= b));
        assert_eq!((counts[0], counts[counts.len() - 1]), (2, 0));
        let (text, dropped) = fitted(Layout::Markdown, &COLUMNS, &rows(), 1);
        assert!(dropped.is_empty() && text.contains("12345678"));
    }

    #[test]
    fn colour_is_only_where_it_is_wanted_and_moves_nothing() {
        let draw = |color| {
            let screen = Screen { width: 80, color };
            fitted(Layout::Terminal(screen), &COLUMNS, &rows(), 1).0
        };
        let (plain, colored) = (draw(false), draw(true));
        assert!(!plain.contains('\x1b') && colored.contains('\x1b'));
        let stripped = anstream::adapter::strip_str(&colored).to_string();
        let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n") + "\n", plain);
    }

    #[test]
    fn a_bar_in_a_markdown_cell_ends_no_cell() {
        let text = grid(Layout::Markdown, &["a"], &[vec!["x|y".into()]], 1);
        assert!(text.contains("x\\|y"), "{text}");
    }

    #[test]
    fn long_lines_go_on_under_their_text() {
        let screen = Screen {
            width: 24,
            color: false,
        };
        let text = "Adapter:  a name that is long\n          and its reason too\nno name but long enough to wrap\n";
        let want = "Adapter:  a name that is\n          long\n          and its reason\n          too\nno name but long enough\nto wrap\n";
        assert_eq!(wrapped(text, screen), want);
        assert_eq!(wrapped(text, Screen::PLAIN), text);
    }
}
