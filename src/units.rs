//! Numbers as people read them.

/// A duration of nanoseconds with three significant digits: `912 ns`, `48.3 µs`, `1.25 ms`, `2.01 s`.
#[must_use]
pub fn duration(nanoseconds: f64) -> String {
    let units = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    let (unit, size) = units
        .into_iter()
        .find(|(_, size)| nanoseconds < 999.5 * size)
        .unwrap_or(("s", 1e9));
    format!("{} {unit}", significant(nanoseconds / size))
}

/// A percentage as a share: `5%` is 0.05.
///
/// # Errors
/// How to write one, where the text is none from 0% to 1000%.
pub fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text
        .trim()
        .strip_suffix('%')
        .and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write a percentage, such as 5%".to_owned()),
    }
}

/// Bytes in binary units with one decimal: `512 B`, `198.8 KiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (unit, shift) = units
        .into_iter()
        .find(|(_, shift)| bytes >> (shift + 10) == 0)
        .unwrap_or(("TiB", 40));
    let value = bytes as f64 / f64::from(shift).exp2();
    // Formatting alone would round a tie to even: 107.25 to 107.2.
    format!("{:.1} {unit}", (value * 10.0).round() / 10.0)
}

/// So many of `unit` a second, with three significant digits: `171 GFLOP/s`, `8.42 GB/s`.
#[must_use]
pub fn rate(per_second: f64, unit: &str) -> String {
    let prefixes = [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)];
    let (prefix, size) = prefixes
        .into_iter()
        .find(|(_, size)| per_second < 999.5 * size)
        .unwrap_or(("P", 1e15));
    format!("{} {prefix}{unit}/s", significant(per_second / size))
}

/// A whole number with separated thousands: `10,000`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The widths of a network's layers, from input to output: `784-64-10`.
#[must_use]
pub fn widths(widths: &[usize]) -> String {
    let widths: Vec<String> = widths.iter().map(ToString::to_string).collect();
    widths.join("-")
}

/// A share as a percentage with two decimals: `88.51%`.
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

/// A share as a percentage without decimals where whole percents say enough: `31%`, `0.4%`.
#[must_use]
pub fn share(share: f64) -> String {
    let percent = 100.0 * share;
    if percent < 9.95 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

/// Percentage points with their sign and two decimals: `−0.08`, `+0.10`, `±0.00`.
#[must_use]
pub fn points(points: f64) -> String {
    let text = format!("{:.2}", points.abs());
    let sign = match points {
        _ if text == "0.00" => '±',
        points if points < 0.0 => '−',
        _ => '+',
    };
    format!("{sign}{text}")
}

/// A chance with two decimals, and more where they would say nothing: `0.40`, `0.031`, `below 0.0001`.
#[must_use]
pub fn chance(p: f64) -> String {
    match p {
        p if p < 1e-4 => "< 0.0001".to_owned(),
        p if p < 0.001 => format!("{p:.4}"),
        p if p < 0.095 => format!("{p:.3}"),
        p => format!("{p:.2}"),
    }
}

/// `p = 0.40` or `p < 0.0001`
#[must_use]
pub fn p_value(p: f64) -> String {
    let chance = chance(p);
    let equals = if chance.starts_with('<') { "" } else { "= " };
    format!("p {equals}{chance}")
}

/// Three significant digits, no exponent.
fn significant(value: f64) -> String {
    match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_change_where_the_digits_do() {
        assert_eq!(duration(0.0), "0.00 ns");
        assert_eq!(duration(999.0), "999 ns");
        assert_eq!(duration(999.7), "1.00 µs");
        assert_eq!(duration(48_349.0), "48.3 µs");
        assert_eq!(duration(1_254_000.0), "1.25 ms");
        assert_eq!(duration(12_000_000_000.0), "12.0 s");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(203_560), "198.8 KiB");
        assert_eq!(bytes(109_824), "107.3 KiB");
        assert_eq!(bytes(1 << 20), "1.0 MiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!(rate(0.0, "B"), "0.00 B/s");
        assert_eq!(rate(8.418e9, "B"), "8.42 GB/s");
        assert_eq!(rate(170.9e9, "FLOP"), "171 GFLOP/s");
        assert_eq!(rate(999.6e9, "OP"), "1.00 TOP/s");
        assert_eq!(rate(1.979e15, "OP"), "1.98 POP/s");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(percent(0.88514), "88.51%");
        assert_eq!(
            (share(0.314).as_str(), share(0.0042).as_str()),
            ("31%", "0.4%")
        );
        assert_eq!(
            [-0.08, 0.1, -0.001, 0.0].map(points),
            ["−0.08", "+0.10", "±0.00", "±0.00"]
        );
        assert_eq!(
            [1.0, 0.4, 0.05, 0.0312, 0.00042, 1e-9].map(chance),
            ["1.00", "0.40", "0.050", "0.031", "0.0004", "< 0.0001"]
        );
        assert_eq!([0.4, 1e-9].map(p_value), ["p = 0.40", "p < 0.0001"]);
    }
}
