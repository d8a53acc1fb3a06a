//! The texts in the source: every string of several words, by file.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The strings of several words in src, by file, without those of tests.
pub fn texts() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    let mut text = String::new();
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a source file");
        let found: Vec<String> = strings(&source)
            .into_iter()
            .filter(|string| is_text(string))
            .collect();
        if found.is_empty() {
            continue;
        }
        let name = file.strip_prefix(root).expect("a file below the root");
        let name = name.display().to_string().replace('\\', "/");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n{name}");
        for one in found {
            let lines: Vec<&str> = one.lines().map(str::trim_end).collect();
            let _ = writeln!(text, "  {}", lines.join("\n  ").trim_start());
        }
    }
    text
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "tests" || name == "tests.rs" {
            continue;
        }
        if path.is_dir() {
            collect(&path, files);
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// Whether a string is a text for people: two words of letters beside each other, and no WGSL.
fn is_text(string: &str) -> bool {
    let letters = |word: &str| {
        let word = word.trim_matches(|c: char| "().,:;'\"?!%".contains(c));
        word.len() > 1
            && word
                .chars()
                .all(|c| c.is_alphabetic() || c == '-' || c == '\'')
    };
    let words: Vec<&str> = string.split_whitespace().collect();
    let two = words
        .windows(2)
        .any(|pair| letters(pair[0]) && letters(pair[1]));
    let code = [
        "fn ", "let ", "@group", "var<", "const ", " = ", ";\n", "=\"",
    ];
    two && !code.iter().any(|part| string.contains(part))
}

/// The string literals of a Rust source, up to its tests and without those of comments, of attributes that nobody sees
/// and of panics.
fn strings(source: &str) -> Vec<String> {
    let source = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let hidden = [
            "#[expect(",
            "#[allow(",
            "#[serde(",
            ".expect(",
            "concat!(",
            "assert!(",
            "assert_eq!(",
        ];
        rest = if rest.starts_with("//") {
            rest.find('\n').map_or("", |end| &rest[end..])
        } else if let Some(start) = hidden.iter().find(|start| rest.starts_with(**start)) {
            after_brackets(&rest[start.len()..])
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            let (string, after) = raw.split_once("\"#").unwrap_or((raw, ""));
            found.push(string.to_owned());
            after
        } else if next == '"' {
            let (string, after) = literal(&rest[1..]);
            found.push(string);
            after
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            &rest[rest[1..].find('\'').map_or(1, |end| end + 2)..]
        } else {
            &rest[next.len_utf8()..]
        };
    }
    found
}

/// The value of a string literal behind its opening quote, and what follows it.
fn literal(text: &str) -> (String, &str) {
    let mut string = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (string, &text[at + 1..]),
            '\\' => match characters.next() {
                // A line that goes on in the next one, without what indents it.
                Some((_, '\n')) => {
                    let behind = characters.as_str();
                    let indent = behind.len() - behind.trim_start().len();
                    characters = text[text.len() - behind.len() + indent..].char_indices();
                    let (more, after) = literal(characters.as_str());
                    return (string + &more, after);
                }
                Some((_, 'n')) => string.push('\n'),
                Some((_, other)) => string.push(other),
                None => {}
            },
            other => string.push(other),
        }
    }
    (string, "")
}

/// What follows the bracket that closes one which is open.
fn after_brackets(text: &str) -> &str {
    let mut open = 1;
    for (at, character) in text.char_indices() {
        match character {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return &text[at + 1..];
        }
    }
    ""
}

#[test]
fn strings_are_found_in_source() {
    let source = r##"
// "a comment"
#[expect(dead_code, reason = "not seen")]
const A: &str = "one two";
let quote = '"';
fail("three \"four\" \
      five");
raw(r#"six "seven""#);
value.expect("a value (always)");
#[cfg(test)]
mod tests {
    "eight"
}"##;
    let found = strings(source);
    assert_eq!(found, ["one two", "three \"four\" five", "six \"seven\""]);
    assert!(is_text("one two"));
    assert!(!is_text("two"));
    assert!(!is_text("let one two = 3;"));
}
