//! The figures of a page: where in the JSON they stand, and that they are what stands there.

use serde_json::Value;

use crate::html::Element;

/// What has digits and is no figure: words of method, and of columns.
const WORDS: [&str; 11] = [
    "95% interval",
    "(95%)",
    "99 in 100",
    "90 in 100",
    "90% within",
    "99% within",
    "McNemar",
    "SHA-256",
    "p99",
    "p90",
    "float32",
];

/// A figure as it is written: its value in the unit of the JSON, and half a unit of its last digit.
fn value(number: &str, unit: &str) -> Option<(f64, f64)> {
    let number = number.replace(',', "").replace('−', "-").replace('±', "");
    let decimals = number
        .split_once('.')
        .map_or(0, |(_, decimals)| decimals.len() as i32);
    let size = match unit {
        "" | "×" | "ns" | "B" | "OP/s" | "B/s" => 1.0,
        "%" => 0.01,
        "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1024.0 * 1024.0,
        "kOP/s" | "kB/s" => 1e3,
        "MOP/s" | "MB/s" => 1e6,
        "GOP/s" | "GB/s" => 1e9,
        "TOP/s" | "TB/s" => 1e12,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some((number * size, 0.5001 * 10_f64.powi(-decimals) * size))
}

/// The first figure of a text that says what `wanted` is, cut out of it; none where no figure does.
fn without(text: &str, wanted: f64) -> Option<String> {
    if let Some(most) = text.find("below 0.0001").filter(|_| wanted < 1e-4) {
        return Some(text[..most].to_owned() + &text[most + "below 0.0001".len()..]);
    }
    let mut from = 0;
    while let Some((start, end, unit_end)) = figure(text, from) {
        from = end;
        let (number, unit) = (&text[start..end], text[end..unit_end].trim());
        // A word behind a number is its unit only where it is one.
        let seen = value(number, unit).map(|seen| (seen, unit_end));
        let seen = seen.or_else(|| Some((value(number, "")?, end)));
        let Some(((shown, half), end)) = seen else {
            continue;
        };
        if (shown - wanted).abs() <= half {
            return Some(format!("{} {}", &text[..start], &text[end..]));
        }
    }
    None
}

/// Where the next figure begins, where its digits end, and where the word behind it ends.
fn figure(text: &str, from: usize) -> Option<(usize, usize, usize)> {
    let start = from + text[from..].find(|c: char| c.is_ascii_digit())?;
    let digits = text[start..].find(|c: char| !(c.is_ascii_digit() || ".,".contains(c)));
    let end = start + digits.unwrap_or(text.len() - start);
    // What ends a sentence is no part of its last figure.
    let end = start + text[start..end].trim_end_matches(['.', ',']).len();
    let sign = text[..start].chars().next_back();
    let sign = sign
        .filter(|c| "+-−±".contains(*c))
        .map_or(0, char::len_utf8);
    let rest = &text[end..];
    let space = rest.len() - rest.strip_prefix(' ').unwrap_or(rest).len();
    let word = rest[space..].find(|c: char| !(c.is_alphabetic() || "%×/µ".contains(c)));
    let unit_end = end + space + word.unwrap_or(rest.len() - space);
    Some((start - sign, end, unit_end))
}

/// Fails where an element's text is not what the JSON has in its places, or says more figures than these.
pub fn check(element: &Element, document: &Value) {
    let places = element.get("data-json").expect("a place");
    let whole = &element.text;
    let found = |place: &str| {
        let found = document.pointer(place);
        found.unwrap_or_else(|| panic!("{place} is not in the JSON"))
    };
    let found: Vec<(&str, &Value)> = places
        .split(' ')
        .map(|place| (place, found(place)))
        .collect();
    let mut text = whole.clone();
    // Quoted words have names and figures of their own, so they are taken out first.
    for (place, value) in &found {
        if let Value::String(words) = value {
            text = without_quoted(&text, words)
                .unwrap_or_else(|| panic!("{place} is '{words}', shown as '{whole}'"));
        }
    }
    text = without_names(&text, document);
    for (place, value) in &found {
        if !value.is_string() {
            text = without_figure(&text, value)
                .unwrap_or_else(|| panic!("{place} is {value}, shown as '{whole}'"));
        }
    }
    assert!(
        !has_digits(&text),
        "{places}: '{text}' of '{whole}' stands nowhere in the JSON"
    );
}

/// The text without what it quotes, or without the day of a date; none where it does not quote it.
fn without_quoted(text: &str, words: &str) -> Option<String> {
    if text.contains(words) {
        return Some(text.replacen(words, " ", 1));
    }
    let is_day = text.len() == "2026-01-01".len() && words.starts_with(text);
    is_day.then(String::new)
}

/// The text without what it says of a number, of a list's length or of a yes or no; none where it says
/// something else.
fn without_figure(text: &str, found: &Value) -> Option<String> {
    match found {
        Value::Number(number) => without(text, number.as_f64()?),
        Value::Array(list) => without(text, list.len() as f64),
        Value::Bool(flag) => {
            let word = if *flag { "yes" } else { "no" };
            text.contains(word).then(|| text.replacen(word, "", 1))
        }
        _ => None,
    }
}

/// Fails where an element shows a figure of its own, outside the ticks of an axis, that stands nowhere in
/// the JSON.
pub fn check_own(element: &Element, elements: &[Element], document: &Value) {
    let round = element.ancestors.iter().map(|&at| &elements[at]);
    let mut all = round.chain([element]);
    let is_tick = element.get("class") == Some("tick");
    if is_tick || all.any(|one| one.get("data-json").is_some() || one.name == "style") {
        return;
    }
    let text = without_names(&element.own, document);
    assert!(
        !has_digits(&text),
        "a figure without a place in the JSON: <{}> '{}'",
        element.name,
        element.own.trim()
    );
}

fn has_digits(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
}

/// The text without names and words that have digits and are no figures.
fn without_names(text: &str, document: &Value) -> String {
    let mut names: Vec<String> = WORDS.map(str::to_owned).to_vec();
    names.extend(["f32", "f16", "bf16", "int8", "int4"].map(str::to_owned));
    for place in ["/dataset/name", "/model/path"] {
        let name = document.pointer(place).and_then(Value::as_str);
        names.push(name.expect("a name").to_owned());
    }
    for adapter in document["adapters"].as_array().expect("adapters") {
        for field in ["name", "driver"] {
            names.push(adapter[field].as_str().expect("a name").to_owned());
        }
        let processor = adapter["processor"]["instruction_set"].as_str();
        names.extend(processor.map(str::to_owned));
        let seen = adapter["numerics"].as_object().into_iter().flatten();
        names.extend(seen.map(|(name, _)| name.replace('_', " ")));
    }
    let rows = document["results"].as_array().expect("rows");
    for row in rows {
        names.extend(row["name"].as_str().map(str::to_owned));
        let kernel = row["effective"]["kernel"].as_str();
        names.extend(kernel.map(str::to_owned));
    }
    let layers = document["model"]["layers"].as_array().expect("layers");
    let layers: Vec<String> = layers.iter().map(Value::to_string).collect();
    names.push(layers.join("-"));
    names.retain(|name| !name.is_empty());
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    let taken_out = |text: String, name: &String| text.replace(name.as_str(), " ");
    names.iter().fold(text.to_owned(), taken_out)
}

#[test]
fn a_wrong_figure_is_noticed() {
    let document = serde_json::json!({
        "time": 1500, "share": 0.8884, "text": "a", "points": -0.0512, "none": 0.0, "chance": 1e-7,
        "date": "2026-11-25T10:00:00Z", "list": [1, 2, 3], "flag": true, "sentence": "It takes 1.50 s in f32.",
        "adapters": [{ "name": "GPU 5000", "driver": "d", "numerics": null }], "dataset": { "name": "set" },
        "model": { "path": "p", "layers": [784, 64, 10] }, "results": [],
    });
    let element = |places: &str, text: &str| Element {
        attributes: vec![("data-json".to_owned(), places.to_owned())],
        text: text.to_owned(),
        ..Element::default()
    };
    for (places, text) in [
        ("/time", "1.50 µs"),
        ("/share", "88.84%"),
        ("/text", "a"),
        ("/points", "−0.05"),
        ("/none", "±0.00"),
        ("/chance", "below 0.0001"),
        ("/date", "2026-11-25"),
        ("/list", "3"),
        ("/flag", "yes"),
        (
            "/share /time /points",
            "f16: 88.84% in 1.50 µs, −0.05 points",
        ),
        ("/sentence", "It takes 1.50 s in f32."),
        ("/time", "784-64-10 on GPU 5000 takes 1,500"),
    ] {
        check(&element(places, text), &document);
    }
    for (places, text) in [
        ("/time", "1.51 µs"),
        ("/time", "1.50 ms"),
        ("/time", "none"),
        ("/share", "88.85%"),
        ("/text", "b"),
        ("/nosuch", "1"),
        ("/points", "0.05"),
        ("/none", "+0.01"),
        ("/chance", "0.0002"),
        ("/list", "2"),
        ("/flag", "no"),
        ("/date", "2026-11-26"),
        ("/share /time", "88.84%"),
        ("/share", "88.84% in 1.50 µs"),
        ("/sentence", "It takes 1.60 s in f32."),
    ] {
        let wrong = std::panic::catch_unwind(|| check(&element(places, text), &document));
        assert!(wrong.is_err(), "{places} {text}");
    }
    let shown = |own: &str, class: &str| Element {
        name: "p".to_owned(),
        own: own.to_owned(),
        attributes: vec![("class".to_owned(), class.to_owned())],
        ..Element::default()
    };
    check_own(
        &shown("f32, the 95% interval, GPU 5000", ""),
        &[],
        &document,
    );
    check_own(&shown("88%", "tick"), &[], &document);
    let wrong = std::panic::catch_unwind(|| check_own(&shown("88%", ""), &[], &document));
    assert!(wrong.is_err());
}
