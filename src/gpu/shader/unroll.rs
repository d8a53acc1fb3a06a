//! Repeats the bodies of loops in a shader's text.
//!
//! Sums live in registers only where every index into their array is a constant, so that the loops
//! over a tile must be unrolled. Drivers do it up to some hundreds of instructions and then give up,
//! and the sums go through memory; the host does it always. The text is the same program
//! either way: a marked loop is valid WGSL.

use std::fmt::Write;

/// What stands behind the head of a loop that is unrolled.
const UNROLLED: &str = "// unrolled";
const SPELLED_OUT: &str = "// spelled out";

/// `text` with each loop `for (var i = 0u; i < LIMIT; i++) { // unrolled` replaced by LIMIT copies of
/// its body, in each of which `i` is a constant. LIMIT is a number or one of `constants`; a loop whose
/// limit is neither is left as it is. The loop's closing brace stands on a line of its own.
///
/// Where arrays are not allowed at all, as of cooperative matrices, a loop is marked `// spelled out`:
/// its copies stand in no braces of their own, and the variable's number takes its place also in names
/// of which it is a part, `sums_i_j`. Such a loop declares what others use, and is no WGSL as it stands.
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
        // Writing to a string cannot fail.
        let unrolled = head(line, UNROLLED, constants);
        let Some((name, limit)) = unrolled.or_else(|| head(line, SPELLED_OUT, constants)) else {
            let _ = writeln!(out, "{line}");
            index += 1;
            continue;
        };
        let end = index + closing(&lines[index..]);
        let indent = &line[..line.len() - line.trim_start().len()];
        let body = &lines[index + 1..end];
        for value in 0..limit {
            if unrolled.is_some() {
                let _ = writeln!(out, "{indent}{{\n{indent}    const {name} = {value}u;");
                expand(body, constants, out);
                let _ = writeln!(out, "{indent}}}");
            } else {
                let spelled: Vec<String> = body.iter().map(|l| spell(l, name, value)).collect();
                let spelled: Vec<&str> = spelled.iter().map(String::as_str).collect();
                expand(&spelled, constants, out);
            }
        }
        index = end + 1;
    }
}

/// A line with `value` in place of the variable, where it stands alone and where it is a part of a name.
fn spell(line: &str, variable: &str, value: u32) -> String {
    let mut out = String::with_capacity(line.len());
    let (code, comment) = line.split_at(line.find("//").unwrap_or(line.len()));
    let mut rest = code;
    while !rest.is_empty() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let word_ends = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(word_ends);
        if word == variable {
            let _ = write!(out, "{value}u");
        } else {
            let number = value.to_string();
            let parts = word.split('_');
            let parts = parts.map(|part| if part == variable { &number } else { part });
            out.push_str(&parts.collect::<Vec<_>>().join("_"));
        }
        let word_begins = behind.find(is_word).unwrap_or(behind.len());
        let (between, next) = behind.split_at(word_begins);
        out.push_str(between);
        rest = next;
    }
    out + comment
}

/// The variable and the limit of a loop with this mark.
fn head<'a>(line: &'a str, mark: &str, constants: &[(&str, u32)]) -> Option<(&'a str, u32)> {
    let rest = line.trim().strip_suffix(mark)?;
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
    fn a_loop_that_is_spelled_out_names_its_copies() {
        let text = "\
begin();
for (var i = 0u; i < 2u; i++) { // spelled out
    let at_i = 4u * i; // of i
    for (var j = 0u; j < COLS; j++) { // spelled out
        sum_i_j = f(at_i, sum_i_j, inner_of, t_j_i[i]);
    }
}
";
        let want = "\
begin();
    let at_0 = 4u * 0u; // of i
        sum_0_0 = f(at_0, sum_0_0, inner_of, t_0_0[0u]);
        sum_0_1 = f(at_0, sum_0_1, inner_of, t_1_0[0u]);
    let at_1 = 4u * 1u; // of i
        sum_1_0 = f(at_1, sum_1_0, inner_of, t_0_1[1u]);
        sum_1_1 = f(at_1, sum_1_1, inner_of, t_1_1[1u]);
";
        assert_eq!(unroll(text, &[("COLS", 2)]), want);
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
