//! Text from outside, made safe to show on a terminal.

/// The longest text that is shown whole, in characters.
const LONGEST: usize = 600;

/// The text such that it can be printed: control characters, which could steer a terminal, are written out, and
/// the middle of a very long text is omitted.
pub(crate) fn printable(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(4 * LONGEST));
    let count = text.chars().count();
    let half = LONGEST / 2;
    for (index, character) in text.chars().enumerate() {
        if count > LONGEST && (half..count - half).contains(&index) {
            if index == half {
                plain.push('…');
            }
        } else if is_harmless(character) {
            plain.push(character);
        } else {
            plain.extend(character.escape_default());
        }
    }
    plain
}

/// Whether a character neither steers a terminal nor turns the order of a line.
pub(crate) fn is_harmless(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !character.is_control() && !turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_does_not_steer_a_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(printable("größer, “quoted”"), "größer, “quoted”");
        assert!(!printable("\u{202e}gpj.exe").contains('\u{202e}'));
        let long = printable(&"x".repeat(1 << 20));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
