//! How a text is shown: on a terminal of any width or in Markdown, and in which detail.

use textwrap::WordSplitter;

/// A heading, where there is colour.
const BOLD: anstyle::Style = anstyle::Style::new().bold();

/// The widest text: a longer line is hard to read.
pub(super) const WIDEST: u16 = 100;

/// How a text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// For a terminal, or for a file that is read like one.
    Terminal(Screen),
    /// Markdown.
    Markdown,
}

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Characters in a line.
    pub width: u16,
    /// Whether it takes ANSI colours.
    pub color: bool,
}

/// How much a text says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Why only of the recommended row and the next best one.
    #[default]
    Short,
    /// Why of every row, the decision at each batch size, every limit and every warning.
    Full,
}

impl Screen {
    /// A file or a pipe: 120 columns without colour.
    pub const PLAIN: Self = Self {
        width: 120,
        color: false,
    };
}

impl Layout {
    /// The same on a screen that is no wider than this.
    #[must_use]
    pub(super) fn at_most(self, width: u16) -> Self {
        match self {
            Self::Terminal(screen) => Self::Terminal(Screen {
                width: screen.width.min(width),
                ..screen
            }),
            Self::Markdown => self,
        }
    }

    /// Text between tables, wrapped to a terminal's width.
    #[must_use]
    pub fn wrap(self, text: String) -> String {
        match self {
            Self::Terminal(screen) => wrapped(&text, screen),
            Self::Markdown => text,
        }
    }

    /// The lines above the first table: in Markdown, each is a list item.
    #[must_use]
    pub fn preamble(self, text: String) -> String {
        if self != Self::Markdown {
            return self.wrap(text);
        }
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.fold(String::new(), |all, line| {
            all + "- " + line.trim_start() + "\n"
        })
    }

    /// A paragraph behind a mark, which is before its first line only.
    #[must_use]
    pub fn paragraph(self, mark: &str, text: &str) -> String {
        let Self::Terminal(screen) = self else {
            return format!("{mark}{text}\n");
        };
        let indent = " ".repeat(mark.chars().count());
        let options = textwrap::Options::new(usize::from(screen.width))
            .initial_indent(mark)
            .subsequent_indent(&indent)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        textwrap::fill(text, options) + "\n"
    }

    /// The heading of a section.
    #[must_use]
    pub fn heading(self, title: &str) -> String {
        let Self::Terminal(screen) = self else {
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

    /// The mark of an indented item.
    #[must_use]
    pub fn bullet(self) -> &'static str {
        match self {
            Self::Terminal(_) => "  ",
            Self::Markdown => "- ",
        }
    }

    /// The mark of an item of a list.
    #[must_use]
    pub fn item(self) -> &'static str {
        match self {
            Self::Terminal(_) => "· ",
            Self::Markdown => "- ",
        }
    }
}

/// Text whose long lines are broken between words. A line that begins with a word and two spaces continues below the
/// text behind them; an indented line keeps its indentation.
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
            .word_splitter(WordSplitter::NoHyphenation)
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

    #[test]
    fn long_lines_continue_below_their_text() {
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
