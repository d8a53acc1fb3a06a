//! Joins a shader file and everything that it imports.

use std::fmt::Write;

use super::files;
use super::unroll::unroll;

/// What begins a line that imports another file.
const IMPORT: &str = "#import ";

/// Constants of a variant, as text and, for the loops that are unrolled, as numbers.
#[derive(Debug, Default)]
pub(in crate::gpu) struct Constants {
    text: String,
    numbers: Vec<(&'static str, u32)>,
}

impl Constants {
    /// Adds a whole number.
    pub(in crate::gpu) fn number(&mut self, name: &'static str, value: u32) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "const {name} = {value}u;");
        self.numbers.push((name, value));
    }

    /// Adds a truth value.
    pub(in crate::gpu) fn switch(&mut self, name: &'static str, value: bool) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "const {name} = {value};");
    }
}

/// The WGSL text of the file at `path`: directives, `constants`, what the file imports, and the file.
/// `choices` says which file an abstract import stands for. An import of a file that does not exist stays
/// in the text, which then does not compile; the tests link every variant.
pub(in crate::gpu) fn link(path: &str, constants: &Constants, choices: &[(&str, &str)]) -> String {
    let mut linker = Linker {
        choices,
        seen: Vec::new(),
        directives: Vec::new(),
        text: String::new(),
    };
    linker.add(path);
    linker.directives.sort_unstable();
    let mut text = String::new();
    for directive in linker.directives {
        text.push_str(directive);
        text.push('\n');
    }
    text.push_str(&constants.text);
    text.push_str(&unroll(&linker.text, &constants.numbers));
    text
}

struct Linker<'a> {
    choices: &'a [(&'a str, &'a str)],
    seen: Vec<&'a str>,
    directives: Vec<&'static str>,
    text: String,
}

impl<'a> Linker<'a> {
    /// Adds what a file imports, then the file, unless it is there already.
    fn add(&mut self, name: &'a str) {
        let choice = self.choices.iter().find(|(of, _)| *of == name);
        let path = choice.map_or(name, |&(_, path)| path);
        if self.seen.contains(&path) {
            return;
        }
        self.seen.push(path);
        let Some(text) = files::text(path) else {
            let _ = writeln!(self.text, "{IMPORT}{path}");
            return;
        };
        let mut own = format!("\n// shaders/{path}.wgsl\n");
        for line in text.lines() {
            if let Some(import) = line.strip_prefix(IMPORT) {
                self.add(import.trim());
            } else if line.starts_with("enable ") || line.starts_with("requires ") {
                if !self.directives.contains(&line) {
                    self.directives.push(line);
                }
            } else if !(line.is_empty() && own.ends_with("\n\n")) {
                own.push_str(line);
                own.push('\n');
            }
        }
        self.text.push_str(&own);
    }
}
