//! The one table of this program: text in columns, for a terminal of any width or in Markdown.

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle,
    TableStyle, Width, presets,
};

use super::layout::{Layout, Screen, WIDEST};

/// The cell of a figure that there is none of.
pub(super) const NOTHING: &str = "–";

/// A cell, or [`NOTHING`].
pub(super) fn or_nothing(text: Option<String>) -> String {
    text.unwrap_or_else(|| NOTHING.to_owned())
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The text above it.
    name: &'static str,
    /// Whether it has numbers, which are aligned to the right.
    number: bool,
    /// Its place in the order in which a narrow terminal hides columns, from 1; 0 for a column that stays.
    hidden_as: u8,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self {
            name,
            number: false,
            hidden_as: 0,
        }
    }

    /// A column of numbers.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Self {
            name,
            number: true,
            hidden_as: 0,
        }
    }

    /// The same, hidden on a terminal that is too narrow: the first column is hidden first.
    #[must_use]
    pub const fn hidden_as(self, order: u8) -> Self {
        Self {
            hidden_as: order,
            ..self
        }
    }
}

/// A table of text.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns, and of rows with a cell for each.
    #[must_use]
    pub fn new(columns: &[Column], rows: Vec<Vec<String>>) -> Self {
        Self {
            columns: columns.to_vec(),
            rows,
        }
    }

    /// A table whose first `texts` columns are words and whose other columns are numbers; none is hidden.
    #[must_use]
    pub fn of(names: &[&'static str], texts: usize, rows: Vec<Vec<String>>) -> Self {
        let column = |(at, &name): (usize, &&'static str)| match at < texts {
            true => Column::text(name),
            false => Column::number(name),
        };
        let columns = names.iter().enumerate().map(column).collect();
        Self { columns, rows }
    }

    /// Removes the column of this name.
    pub fn remove(&mut self, name: &str) {
        if let Some(at) = self.columns.iter().position(|column| column.name == name) {
            self.columns.remove(at);
            self.rows.iter_mut().for_each(|row| drop(row.remove(at)));
        }
    }

    /// The table as text. On a terminal that is too narrow, columns are hidden in their order, and a note below names
    /// them; if that is not enough, text is wrapped inside its cells.
    #[must_use]
    pub fn render(&self, layout: Layout) -> String {
        let Layout::Terminal(screen) = layout else {
            return self.markdown();
        };
        let mut shown = self.clone();
        let mut hidden = Vec::new();
        while let Some(at) = shown.next_to_hide()
            && shown.natural_width(screen) > usize::from(screen.width)
        {
            hidden.push(shown.columns.remove(at).name);
            shown.rows.iter_mut().for_each(|row| drop(row.remove(at)));
        }
        let mut text = shown.terminal(screen);
        if !hidden.is_empty() {
            text.push_str(&layout.wrap(hidden_note(&hidden, screen)));
        }
        text
    }

    /// The column that is hidden first on a terminal that is too narrow.
    fn next_to_hide(&self) -> Option<usize> {
        let columns = self.columns.iter().enumerate();
        let columns = columns.filter(|(_, column)| column.hidden_as > 0);
        let (at, _) = columns.min_by_key(|(_, column)| column.hidden_as)?;
        Some(at)
    }

    fn terminal(&self, screen: Screen) -> String {
        let mut table = self.draw(screen);
        if self.natural_width(screen) <= usize::from(screen.width) {
            return lines(&table);
        }
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(screen.width);
        let least = self.least_widths();
        // A space is between columns.
        let all: usize = least.iter().sum::<usize>() + least.len().saturating_sub(1);
        if all <= usize::from(screen.width) {
            for (column, least) in table.column_iter_mut().zip(least) {
                let least = u16::try_from(least).unwrap_or(u16::MAX);
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
            }
        }
        lines(&table)
    }

    fn markdown(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::ASCII_MARKDOWN).force_no_tty();
        table.set_header(self.names());
        for row in &self.rows {
            // A bar would end the cell.
            table.add_row(row.iter().map(|text| text.replace('|', "\\|")));
        }
        self.align(&mut table);
        lines(&table)
    }

    fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name).collect()
    }

    /// The width that each column needs so that no word and no number is broken, padding included.
    fn least_widths(&self) -> Vec<usize> {
        let longest = |text: &str, breaks: fn(char) -> bool| {
            let parts = text.split(breaks).map(|part| part.chars().count());
            parts.max().unwrap_or(0)
        };
        let of_column = |(at, column): (usize, &Column)| {
            let breaks: fn(char) -> bool = if column.number {
                |letter| letter == '\n'
            } else {
                char::is_whitespace
            };
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let cells = cells.map(|cell| longest(cell, breaks)).max().unwrap_or(0);
            longest(column.name, char::is_whitespace).max(cells) + usize::from(!column.number)
        };
        self.columns.iter().enumerate().map(of_column).collect()
    }

    /// The width of the table where nothing is wrapped.
    fn natural_width(&self, screen: Screen) -> usize {
        let plain = Screen {
            color: false,
            ..screen
        };
        let table = self.draw(plain).to_string();
        let widths = table.lines().map(|line| line.trim_end().chars().count());
        widths.max().unwrap_or(0)
    }

    fn draw(&self, screen: Screen) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table.load_style(RULED).force_no_tty();
        if screen.color {
            table.enforce_styling();
        }
        let bold = |text| Cell::new(text).add_attribute(Attribute::Bold);
        table.set_header(self.names().into_iter().map(bold));
        for row in &self.rows {
            let cells = row.iter().zip(&self.columns);
            table.add_row(cells.map(|(text, column)| cell(column.name, text)));
        }
        self.align(&mut table);
        for (drawn, column) in table.column_iter_mut().zip(&self.columns) {
            // There is a space between columns already; words get one more behind them.
            drawn.set_padding((0, u16::from(!column.number)));
        }
        table
    }

    fn align(&self, table: &mut comfy_table::Table) {
        for (drawn, column) in table.column_iter_mut().zip(&self.columns) {
            if column.number {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
}

/// `Hidden at this width: p99, allocated (widen the terminal or use --format json)`
fn hidden_note(columns: &[&str], screen: Screen) -> String {
    // No text is wider than this, whatever the terminal.
    let widen = if screen.width < WIDEST {
        "widen the terminal or "
    } else {
        ""
    };
    format!(
        "Hidden at this width: {} ({widen}use --format json)\n",
        columns.join(", ")
    )
}

/// One rule below the header: a line below each row would double the height.
const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A cell below a heading. Its colour only repeats what the text says.
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

fn lines(table: &comfy_table::Table) -> String {
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column::text("name"),
        Column::number("second").hidden_as(2),
        Column::number("first").hidden_as(1),
        Column::number("stays"),
    ];

    fn table() -> Table {
        let row = ["f32", "some words", "12345678", "1.00×"];
        Table::new(&COLUMNS, vec![row.map(str::to_owned).to_vec(); 2])
    }

    #[test]
    fn columns_are_hidden_in_their_order_until_the_rest_fits() {
        let mut counts = Vec::new();
        for width in 18..=60 {
            let screen = Screen {
                width,
                color: false,
            };
            let text = table().render(Layout::Terminal(screen));
            let words: Vec<&str> = text.split_whitespace().collect();
            let words = words.join(" ");
            let note = |names: &str| format!("Hidden at this width: {names} (widen");
            let hidden = if words.contains(&note("first, second")) {
                2
            } else if words.contains(&note("first")) {
                1
            } else {
                assert!(!words.contains("Hidden"), "{text}");
                0
            };
            assert_eq!(words.contains("12345678"), hidden == 0, "{text}");
            assert_eq!(words.contains("some words"), hidden < 2, "{text}");
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(width), "{width}:\n{text}");
            counts.push(hidden);
        }
        assert!(counts.is_sorted_by(|a, b| a >= b));
        assert_eq!((counts[0], counts[counts.len() - 1]), (2, 0));
        let text = table().render(Layout::Markdown);
        assert!(!text.contains("Hidden") && text.contains("12345678"));
    }

    #[test]
    fn colour_is_only_where_it_is_wanted_and_moves_nothing() {
        let draw = |color| {
            let screen = Screen { width: 80, color };
            table().render(Layout::Terminal(screen))
        };
        let (plain, colored) = (draw(false), draw(true));
        assert!(!plain.contains('\x1b') && colored.contains('\x1b'));
        let stripped = anstream::adapter::strip_str(&colored).to_string();
        let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n") + "\n", plain);
    }

    #[test]
    fn a_bar_in_a_markdown_cell_ends_no_cell() {
        let table = Table::new(&[Column::text("a")], vec![vec!["x|y".into()]]);
        let text = table.render(Layout::Markdown);
        assert!(text.contains("x\\|y"), "{text}");
    }
}
