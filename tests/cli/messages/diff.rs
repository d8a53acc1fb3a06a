//! The lines in which two texts differ.

use std::fmt::Write;

/// The lines that only one of the texts has, in order; the old ones with `-`, the new ones with `+`.
pub fn changes(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut text = String::new();
    let (mut at, mut to) = (0, 0);
    while at < old.len() || to < new.len() {
        let (skipped, added) = next_match(&old[at..], &new[to..]);
        // Writing to a string cannot fail.
        let _ = old[at..at + skipped]
            .iter()
            .try_for_each(|line| writeln!(text, "-{line}"));
        let _ = new[to..to + added]
            .iter()
            .try_for_each(|line| writeln!(text, "+{line}"));
        at += skipped + 1;
        to += added + 1;
    }
    text
}

/// How many lines of each text stand before the next line that both have.
fn next_match(old: &[&str], new: &[&str]) -> (usize, usize) {
    for apart in 0..old.len() + new.len() {
        for skipped in 0..=apart {
            let added = apart - skipped;
            if let (Some(one), Some(other)) = (old.get(skipped), new.get(added))
                && one == other
            {
                return (skipped, added);
            }
        }
    }
    (old.len(), new.len())
}

#[test]
fn changed_lines_are_found() {
    assert_eq!(changes("a\nb\nc", "a\nb\nc"), "");
    assert_eq!(changes("a\nb\nc", "a\nx\nc"), "-b\n+x\n");
    assert_eq!(changes("a\nc", "a\nb\nc\nd"), "+b\n+d\n");
    assert_eq!(changes("a\nb", "b"), "-a\n");
    assert_eq!(changes("a", ""), "-a\n");
}
