//! The width of text in a drawing, which cannot wrap it. It is an estimate, since the font depends on the reader.

/// The size of a drawing's words, in its units.
const SIZE: f64 = 11.0;

/// About how wide words are, in a drawing's units, in a font as wide as any that pages are shown in (DejaVu
/// Sans, bold).
pub fn width(text: &str) -> f64 {
    let of_size = |letter: char| match letter {
        'i' | 'j' | 'l' | ' ' | ',' | '.' | ':' | '|' | '\'' => 0.39,
        'f' | 't' | 'r' | '(' | ')' | '-' => 0.5,
        'm' | 'w' | 'M' | 'W' | '%' | '…' => 1.05,
        letter if letter.is_uppercase() => 0.79,
        _ => 0.71,
    };
    SIZE * text.chars().map(of_size).sum::<f64>()
}

/// The text, cut where it is too long.
pub fn fitted(text: &str, space: f64) -> String {
    if width(text) <= space {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        short.push(letter);
        if width(&short) + width("…") > space {
            short.pop();
            break;
        }
    }
    format!("{}…", short.trim_end_matches([' ', ',']))
}

/// The place of a text of this width behind `x`, or before it if it does not fit there: `gap` away from it, and between
/// `left` and `right` if possible.
pub fn beside(x: f64, gap: f64, width: f64, (left, right): (f64, f64)) -> f64 {
    let (behind, before) = (x + gap, x - gap - width);
    if behind + width <= right {
        behind
    } else if before >= left {
        before
    } else {
        (right - width).max(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_only_where_there_is_no_room() {
        let name = "int8 dynamic-row, weights by tensor";
        assert_eq!(fitted(name, width(name)), name);
        for space in [20.0, 90.0, 200.0] {
            let short = fitted(name, space);
            assert!(width(&short) <= space && short.ends_with('…'), "{short}");
            assert!(name.starts_with(short.trim_end_matches('…')), "{short}");
        }
    }

    #[test]
    fn text_is_behind_its_place_or_before_it_and_always_inside() {
        let ends = (8.0, 346.0);
        assert_eq!(beside(100.0, 4.0, 90.0, ends), 104.0);
        assert_eq!(beside(300.0, 4.0, 90.0, ends), 206.0);
        assert_eq!(beside(180.0, 4.0, 200.0, ends), 146.0);
        assert_eq!(beside(180.0, 4.0, 900.0, ends), 8.0);
    }
}
