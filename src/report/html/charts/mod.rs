//! The charts, one file each: from rows to a drawing, its words and its figures.

pub mod classes;
pub mod confusion;
pub mod latency;
pub mod limit;
pub mod memory;
pub mod pareto;
pub mod parts;
pub mod roofline;

/// `1.00 ms` as an axis has it: `1 ms`.
fn tidy(text: &str) -> String {
    let (number, unit) = text.split_once(' ').unwrap_or((text, ""));
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number} {unit}").trim_end().to_owned()
}

/// Names as they are listed in a sentence.
fn listed(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
