//! The report as a page: its parts, what its charts and tables say to every reader, and its size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::html::{Element, parse};
use crate::report::report;
use crate::support::{command, has, run};

/// People send a report to each other.
const MOST_BYTES: usize = 400_000;

#[test]
fn it_has_its_parts_in_order_and_needs_nothing_else() {
    let (elements, _) = report(&["--batch", "1000"]);
    let headings: Vec<&str> = elements
        .iter()
        .filter(|one| one.name == "h2")
        .map(|one| one.text.as_str())
        .collect();
    let wanted = [
        "Verdict",
        "Results",
        "Accuracy against time",
        "Roofline",
        "Where the time goes",
        "Layer by layer",
        "Latency",
        "Classes",
        "Memory",
        "Images whose label changed",
        "Setup of this run",
    ];
    assert_eq!(headings, wanted);
    for element in &elements {
        assert!(!["script", "iframe", "object"].contains(&element.name.as_str()));
        for (key, value) in &element.attributes {
            assert!(!key.starts_with("on"), "{key}");
            let loads = matches!(key.as_str(), "src" | "href");
            assert!(
                !loads || value.starts_with('#') || value.starts_with("data:"),
                "{key}={value}"
            );
        }
    }
    let style = elements
        .iter()
        .find(|one| one.name == "style")
        .expect("a style");
    assert!(!style.text.contains("url(") && !style.text.contains("@import"));
    has(&style.text, &["prefers-color-scheme: dark"]);
    let policy = elements
        .iter()
        .find(|one| one.get("http-equiv") == Some("Content-Security-Policy"));
    has(
        policy
            .and_then(|one| one.get("content"))
            .unwrap_or_default(),
        &["default-src 'none'"],
    );
}

#[test]
fn the_answer_comes_first_and_the_command_last() {
    let (elements, document) = report(&["--batch", "1000"]);
    let sentence = document["verdict"]["sentence"].as_str().expect("words");
    let headline = elements.iter().find(|one| one.name == "h1");
    assert_eq!(headline.map(|one| one.text.as_str()), Some(sentence));
    let headings = elements.iter().filter(|one| one.name.starts_with('h'));
    let mut headings = headings.filter(|one| one.name.len() == 2 && one.name != "hr");
    assert_eq!(headings.next().map(|one| one.name.as_str()), Some("h1"));
    let last = elements.iter().rev().find(|one| one.name == "section");
    let last = last.expect("a section");
    assert_eq!(last.get("id"), Some("run"));
    let adapter = document["adapters"][0]["name"].as_str().expect("a name");
    let wgpu = document["tool"]["wgpu"].as_str().expect("a version");
    let command = document["command"].as_str().expect("a command");
    let processor = document["machine"]["processor"].as_str().unwrap_or("");
    has(
        &last.text,
        &[adapter, wgpu, command, processor, env!("CARGO_PKG_VERSION")],
    );
}

#[test]
fn every_chart_is_described_in_words_and_in_figures() {
    let (elements, _) = report(&["--batch", "1000"]);
    let charts: Vec<&Element> = elements
        .iter()
        .filter(|one| one.get("role") == Some("img") && one.inside.contains(&"figure".to_owned()))
        .collect();
    assert!(charts.len() >= 7, "{}", charts.len());
    for chart in charts {
        let id = chart.get("aria-describedby").expect("words");
        let words = elements
            .iter()
            .find(|one| one.get("id") == Some(id))
            .expect("words");
        assert!(words.text.len() > 20, "{id}: '{}'", words.text);
    }
    let figures = elements.iter().filter(|one| one.name == "figure").count();
    let tables = elements
        .iter()
        .filter(|one| one.name == "table" && one.inside.contains(&"figure".to_owned()));
    assert_eq!(tables.count(), figures);
}

#[test]
fn every_figure_says_in_one_sentence_what_it_shows() {
    let (elements, _) = report(&["--batch", "1000,32", "--memory-limit", "300KiB"]);
    let mut sentences = 0;
    let within = |one: &Element, name: &str| one.inside.last().is_some_and(|last| last == name);
    for (at, figure) in elements.iter().enumerate() {
        if figure.name != "figure" {
            continue;
        }
        let own = |one: &&Element| one.ancestors.contains(&at) && within(one, "figcaption");
        let shows: Vec<&Element> = elements
            .iter()
            .filter(own)
            .filter(|one| one.get("class") == Some("shows"))
            .collect();
        let [shows] = shows[..] else {
            panic!("{:?}: {shows:?}", figure.get("id"));
        };
        let text = &shows.text;
        let ends = text.matches(". ").count() + usize::from(text.ends_with('.'));
        assert!(
            text.len() > 20 && ends == 1,
            "{:?}: '{text}'",
            figure.get("id")
        );
        sentences += 1;
    }
    assert!(sentences > 8, "{sentences}");
}

#[test]
fn tables_scroll_by_keyboard_and_have_captions_and_scopes() {
    let (elements, _) = report(&["--batch", "1000,32", "--memory-limit", "300KiB"]);
    let tables = elements.iter().enumerate();
    let tables: Vec<(usize, &Element)> = tables.filter(|(_, one)| one.name == "table").collect();
    assert!(tables.len() > 8, "{}", tables.len());
    for (at, table) in tables {
        let region = &elements[*table.ancestors.last().expect("a region")];
        assert_eq!(region.get("class"), Some("scroll"));
        assert_eq!(region.get("tabindex"), Some("0"));
        assert_eq!(region.get("role"), Some("region"));
        assert!(
            region
                .get("aria-label")
                .is_some_and(|label| !label.is_empty())
        );
        let own: Vec<&Element> = elements[at..]
            .iter()
            .filter(|one| one.ancestors.contains(&at))
            .collect();
        assert!(
            own.iter()
                .any(|one| one.name == "caption" && !one.text.is_empty())
        );
        let headers = own.iter().filter(|one| one.name == "th");
        assert!(headers.clone().all(|one| one.get("scope").is_some()));
        assert!(headers.count() > 1);
    }
    let style = elements.iter().find(|one| one.name == "style");
    let style = &style.expect("a style").text;
    has(
        style,
        &[
            "@media print",
            "details::details-content",
            "break-inside: avoid",
        ],
    );
    has(style, &["@media screen and (prefers-color-scheme: dark)"]);
}

#[test]
fn many_batch_sizes_are_not_all_listed() {
    let sizes: Vec<String> = (1..=14).map(|size| size.to_string()).collect();
    let sizes = sizes.join(",");
    let modes = ["--precision", "every", "--scheme", "all"];
    let (elements, _) = report(&[&modes[..], &["--batch", &sizes]].concat());
    let groups = |text: &str| {
        let own = elements
            .iter()
            .filter(|one| one.get("scope") == Some("rowgroup"));
        own.filter(|one| one.text == text).count()
    };
    // That of the answer, which is the smallest, and the largest; the others as there is space.
    assert_eq!(
        [groups("Batch 1"), groups("Batch 14"), groups("Batch 13")],
        [1, 1, 0]
    );
    let note = "The table has some of the batch sizes, with the smallest and the largest";
    let mut notes = elements.iter().filter(|one| one.text.starts_with(note));
    assert!(notes.next().is_some());
}

/// A list of images or regions tells them apart.
#[test]
fn images_and_regions_have_names_of_their_own() {
    let (elements, _) = report(&["--batch", "1000,32", "--memory-limit", "300KiB"]);
    let regions = elements
        .iter()
        .filter(|one| one.get("role") == Some("region"));
    let regions = regions.filter_map(|one| one.get("aria-label").map(str::to_owned));
    let is_of_image = |one: &&Element| one.name == "title" && one.get("id").is_some();
    let images = elements
        .iter()
        .filter(is_of_image)
        .map(|one| one.text.clone());
    for names in [regions.collect::<Vec<_>>(), images.collect()] {
        assert!(names.len() > 4, "{names:?}");
        let mut unique = names.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{names:?}");
    }
}

/// A layer in f32 loses nothing, so it has no mark, and the layer after it does.
#[test]
fn a_layer_that_loses_nothing_has_no_mark() {
    let layers = ["--precision", "f32", "--layer-precision", "f32,int8"];
    let (elements, document) = report(&[&layers[..], &["--batch", "20"]].concat());
    let mixed = document["results"].as_array().expect("rows").iter();
    let mut mixed = mixed.filter(|row| row["name"] == "f32,int8");
    let losses = &mixed.next().expect("a row")["layers"];
    assert_eq!(losses[0]["relative_error"], 0.0, "{losses}");
    assert!(losses[1]["relative_error"].as_f64() > Some(0.0), "{losses}");
    let chart = elements
        .iter()
        .position(|one| one.get("id") == Some("losses-20"));
    let chart = chart.expect("a chart");
    let hovers = elements.iter().filter(|one| one.ancestors.contains(&chart));
    let hovers = hovers.filter(|one| one.name == "title" && one.text.starts_with("f32,int8: "));
    assert_eq!(hovers.count(), 1);
}

#[test]
fn the_report_of_every_precision_on_every_device_is_small() {
    for arguments in [&[][..], &["--precision", "every", "--scheme", "all"]] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let page = folder.path().join("r.html");
        let mut command = command();
        command.args(["bench", "--runs", "10", "--warmup", "0"]);
        run(command.args(arguments).arg("--output").arg(&page)).good();
        let page = std::fs::read_to_string(page).expect("a file");
        assert!(page.len() <= MOST_BYTES, "{arguments:?}: {}", page.len());
        parse(&page);
    }
}

#[test]
fn a_precision_has_its_colour_whatever_else_is_in_the_report() {
    let both = [&["--precision", "every"][..], &["--precision", "int8"]];
    let [all, alone] = both.map(|arguments| report(&[arguments, &["--batch", "100"]].concat()).0);
    // The colours are in the style sheet, and the class of a mark is that of its precision.
    let style = |elements: &[Element]| {
        let style = elements.iter().find(|one| one.name == "style");
        style.expect("a style").text.clone()
    };
    assert_eq!(style(&all), style(&alone));
    let shape = |elements: &[Element]| {
        let at = elements
            .iter()
            .position(|one| one.get("id") == Some("mark-int8"));
        let shape = elements[at.expect("a mark") + 1].attributes.clone();
        assert!(shape.contains(&("class".to_owned(), "mark int8".to_owned())));
        shape
    };
    assert_eq!(shape(&all), shape(&alone));
    let beside = |elements: &[Element], name: &str| {
        let marked = elements
            .iter()
            .filter(|one| one.get("class") == Some("series"));
        let of_name = marked.filter(|one| one.text == name);
        of_name.count() > 0
    };
    assert!(beside(&all, "bf16") && beside(&alone, "int8") && !beside(&alone, "bf16"));
}

#[test]
fn the_changed_images_are_there_pixel_by_pixel() {
    let (elements, document) = report(&["--batch", "1000"]);
    let changed = document["changed"][0]["images"].as_array().expect("images");
    let shown: Vec<&Element> = elements
        .iter()
        .filter(|one| one.get("class") == Some("thumbnail"))
        .collect();
    assert!(changed.len() > 10 && changed.len() == shown.len());
    // One PNG holds all of them.
    let mut sheets = elements.iter().filter(|one| one.name == "image");
    let sheet = sheets.next().and_then(|one| one.get("href"));
    assert!(sheets.next().is_none());
    let source = sheet.and_then(|source| source.strip_prefix("data:image/png;base64,"));
    let bytes = STANDARD.decode(source.expect("a PNG inside the page"));
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes.expect("base64")))
        .read_info()
        .expect("a PNG");
    let width = reader.info().width as usize;
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    reader.next_frame(&mut pixels).expect("an image");
    for (thumbnail, changed) in shown.iter().zip(changed) {
        let part = thumbnail.get("viewBox").expect("a part of the PNG");
        let part: Vec<usize> = part
            .split(' ')
            .map(|one| one.parse().expect("a number"))
            .collect();
        let lines = (part[1]..part[1] + part[3]).map(|y| y * width + part[0]);
        let seen: Vec<u8> = lines
            .flat_map(|start| pixels[start..start + part[2]].to_vec())
            .collect();
        let want = STANDARD.decode(changed["pixels"].as_str().expect("pixels"));
        assert_eq!(seen, want.expect("base64"));
        let index = changed["index"].as_u64().expect("an index");
        has(
            thumbnail.get("aria-label").expect("words"),
            &[&format!("Image {index}")],
        );
    }
}
