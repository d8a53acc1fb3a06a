//! A strict reader of the pages that the program writes: every tag is closed, every attribute stands once,
//! and every reference inside the page leads somewhere.

use std::collections::HashSet;

/// An element, with the text in it and below it.
#[derive(Clone, Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub text: String,
    /// The text in it that is in no element of its own.
    pub own: String,
    /// The names of the elements round it, from the outermost.
    pub inside: Vec<String>,
    /// Their places among all elements.
    pub ancestors: Vec<usize>,
}

impl Element {
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Elements that have no end tag.
const VOID: [&str; 4] = ["meta", "link", "img", "br"];

/// All elements of a page in the order of their beginnings.
///
/// # Panics
/// Where the page is not well formed.
pub fn parse(page: &str) -> Vec<Element> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a doctype");
    let mut elements: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    while !rest.is_empty() {
        let (text, tail) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
        assert!(
            !text.contains('>') || is_style(&elements, &open),
            "a stray > in '{text}'"
        );
        for &at in &open {
            elements[at].text += &decoded(text);
        }
        if let Some(&last) = open.last() {
            // What stands between two elements does not run together.
            elements[last].own += &decoded(text);
            elements[last].own.push(' ');
        }
        let Some(tag) = tail.strip_prefix('<') else {
            break;
        };
        let (tag, after) = tag.split_once('>').expect("a closed tag");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().expect("an element to close");
            assert_eq!(elements[last].name, name, "closed in another order");
            continue;
        }
        let mut element = tag_of(tag);
        element.inside = open.iter().map(|&at| elements[at].name.clone()).collect();
        element.ancestors.clone_from(&open);
        if !VOID.contains(&element.name.as_str()) {
            open.push(elements.len());
        }
        elements.push(element);
    }
    assert!(open.is_empty(), "not closed: {:?}", elements[open[0]].name);
    check_references(&elements);
    elements
}

fn is_style(elements: &[Element], open: &[usize]) -> bool {
    open.last().is_some_and(|&at| elements[at].name == "style")
}

/// `name key="value" key`.
fn tag_of(tag: &str) -> Element {
    let (name, mut rest) = tag.split_at(tag.find(' ').unwrap_or(tag.len()));
    let mut element = Element {
        name: name.to_owned(),
        ..Element::default()
    };
    while let Some(attribute) = rest.strip_prefix(' ') {
        let end = attribute.find([' ', '=']).unwrap_or(attribute.len());
        let (key, tail) = attribute.split_at(end);
        let value = match tail.strip_prefix("=\"") {
            None => {
                rest = tail;
                ""
            }
            Some(tail) => {
                let (value, tail) = tail.split_once('"').expect("a closed value");
                rest = tail;
                value
            }
        };
        assert!(element.get(key).is_none(), "{key} stands twice in <{tag}>");
        element.attributes.push((key.to_owned(), decoded(value)));
    }
    assert_eq!(rest, "", "in <{tag}>");
    element
}

fn decoded(text: &str) -> String {
    for part in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;"];
        assert!(
            known.iter().any(|entity| part.starts_with(entity)),
            "a bare & in '{text}'"
        );
    }
    let plain = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    plain.replace("&amp;", "&")
}

fn check_references(elements: &[Element]) {
    let mut ids = HashSet::new();
    for id in elements.iter().filter_map(|element| element.get("id")) {
        assert!(ids.insert(id), "the id {id} stands twice");
    }
    for element in elements {
        for key in ["aria-labelledby", "aria-describedby"] {
            if let Some(id) = element.get(key) {
                assert!(ids.contains(id), "{key} leads nowhere: {id}");
            }
        }
        if let Some(link) = element.get("href").and_then(|link| link.strip_prefix('#')) {
            assert!(ids.contains(link), "a link leads nowhere: {link}");
        }
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    let good = "<!DOCTYPE html><p id=\"a\" hidden>x &amp; y</p><a href=\"#a\">z<br></a>";
    let elements = parse(good);
    assert_eq!(
        (elements[0].text.as_str(), elements[0].get("id")),
        ("x & y", Some("a"))
    );
    for bad in [
        "<p>x</p>",
        "<!DOCTYPE html><p>x",
        "<!DOCTYPE html><p>x</b>",
        "<!DOCTYPE html><p><b>x</p></b>",
        "<!DOCTYPE html><p a=\"1\" a=\"2\"></p>",
        "<!DOCTYPE html><p>x & y</p>",
        "<!DOCTYPE html><p>x > y</p>",
        "<!DOCTYPE html><p id=\"a\"></p><p id=\"a\"></p>",
        "<!DOCTYPE html><a href=\"#a\"></a>",
    ] {
        assert!(
            std::panic::catch_unwind(|| parse(bad)).is_err(),
            "taken: {bad}"
        );
    }
}
