//! Repeats the bodies of loops in a shader's text.
//!
//! Sums live in registers only where every index into their array is a constant, so that the loops
//! over a tile must be unrolled. Drivers do it up to some hundreds of instructions and then give up,
//! and the sums go through memory; the host does it always. The text is the same program
//! either way: a marked loop is valid WGSL.

use std::fmt::Write;

/// What stands behind the head of a loop that is unrolled.
const MARK: &str = "// unrolled";

/// `text` with each loop `for (var i = 0u; i < LIMIT; i++) { // unrolled` replaced by LIMIT copies of
/// its body, in each of which `i` is a constant. LIMIT is a number or one of `constants`; a loop whose
/// limit is neither is left as it is. The loop's closing brace stands on a line of its own.
#[must_use]
pub fn unroll(text: &str, constants: &[(&str, u32)]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    expand(&lines, constants, &mut out);
    out
}

fn expand(lines: &[&str], constants: &[(&str, u32)], out: &mut String) {
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index];
        let Some((name, limit)) = head(line, constants) else {
            let _ = writeln!(out, "{line}");
            index += 1;
            continue;
        };
        let end = index + closing(&lines[index..]);
        let indent = &line[..line.len() - line.trim_start().len()];
        for value in 0..limit {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{indent}{{\n{indent}    const {name} = {value}u;");
            expand(&lines[index + 1..end], constants, out);
            let _ = writeln!(out, "{indent}}}");
        }
        index = end + 1;
    }
}

/// The variable and the limit of a marked loop.
fn head<'a>(line: &'a str, constants: &[(&str, u32)]) -> Option<(&'a str, u32)> {
    let rest = line.trim().strip_suffix(MARK)?;
    let (name, rest) = rest.strip_prefix("for (var ")?.split_once(" = 0u; ")?;
    let limit = rest.strip_prefix(name)?.strip_prefix(" < ")?;
    let limit = limit.split_once(';')?.0;
    let constant = constants.iter().find(|(constant, _)| *constant == limit);
    let value = match constant {
        Some(&(_, value)) => value,
        None => limit.strip_suffix('u')?.parse().ok()?,
    };
    Some((name, value))
}

/// The line of the brace that closes the one opened in the first line.
fn closing(lines: &[&str]) -> usize {
    let mut depth = 0_i32;
    for (index, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let braces = code.chars().map(|c| match c {
            '{' => 1,
            '}' => -1,
            _ => 0,
        });
        depth += braces.sum::<i32>();
        if depth == 0 {
            return index;
        }
    }
    lines.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_loops_become_copies_with_constants() {
        let text = "\
for (var i = 0u; i < ROWS; i++) { // unrolled
    a(i); // a brace { in a comment
    for (var j = 0u; j < 2u; j++) { // unrolled
        if b { c(i, j); }
    }
}
d();
";
        let want = "\
{
    const i = 0u;
    a(i); // a brace { in a comment
    {
        const j = 0u;
        if b { c(i, j); }
    }
    {
        const j = 1u;
        if b { c(i, j); }
    }
}
d();
";
        assert_eq!(unroll(text, &[("ROWS", 1)]), want);
        assert_eq!(unroll(text, &[("ROWS", 3)]).matches("c(i, j)").count(), 6);
    }

    #[test]
    fn other_loops_stay() {
        for text in [
            "for (var i = 0u; i < ROWS; i++) {\n}\n",
            "for (var i = 0u; i < UNKNOWN; i++) { // unrolled\n}\n",
        ] {
            assert_eq!(unroll(text, &[("ROWS", 3)]), text);
        }
    }
}
