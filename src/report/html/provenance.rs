//! What was run on what.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::figure::{Figure, Told};
use super::view::View;
use crate::report::Document;
use crate::report::table::adapter_line;
use crate::verify::passport::Observed;

pub fn section(view: &View<'_>) -> Markup {
    let document = view.document;
    let (tool, model, dataset, machine) = (
        &document.tool,
        &document.model,
        &document.dataset,
        &document.machine,
    );
    let layers: Vec<String> = model.layers.iter().map(ToString::to_string).collect();
    let features: Vec<&str> = document
        .adapter
        .features
        .iter()
        .map(|feature| feature.name())
        .collect();
    let of = |field: &str, number: usize| {
        Figure::count(format!("/dataset/{field}"), Some(number as u64)).inline()
    };
    html! {
        dl.provenance {
            dt { "Command" } dd { code data-json="/command" { (document.command) } }
            dt { "Date" } dd data-json="/tool/date" { (tool.date) }
            dt { "Program" }
            dd {
                "fmnist-gpu " span data-json="/tool/version" { (tool.version) } ", " (tool.profile) " build, "
                @match tool.commit {
                    Some(commit) => { "commit " code data-json="/tool/commit" { (commit) } },
                    None => "of no known commit",
                }
            }
            dt { "Adapter" } dd { (adapter(document).inline()) "; " span data-json="/adapter_reason" { (document.adapter_reason) } }
            dt { "Features" } dd { (if features.is_empty() { "none that matter here".to_owned() } else { features.join(", ") }) }
            @if let Some(passport) = &document.passport {
                dt { "Arithmetic" }
                dd { (passport_line(passport).inline()) }
            }
            dt { "Matrix units" } dd data-json="/f16_on_matrix_units/reason" { (document.matrix_units.reason) }
            dt { "Machine" }
            dd {
                @if let Some(processor) = &machine.processor { span data-json="/machine/processor" { (processor) } ", " }
                (Figure::count("/machine/processors".to_owned(), Some(machine.processors as u64)).inline()) " processors, "
                span data-json="/machine/system" { (machine.system) }
                @if let Some(load) = machine.load_before {
                    ", load before the run "
                    (Figure::new("/machine/load_before".to_owned(), Some(format!("{load:.2}"))).inline())
                }
            }
            dt { "Network" }
            dd {
                (layers.join("-")) " (" (model.activations.join(", ")) "), " (Figure::count("/model/parameters".to_owned(), Some(model.parameters)).inline()) " parameters, "
                code data-json="/model/path" { (model.path) } ", SHA-256 " code.hash data-json="/model/sha256" { (model.sha256) }
            }
            dt { "Images" }
            dd {
                (dataset.name) ", " (of("images", dataset.images)) " of " (of("columns", dataset.columns)) "×"
                (of("rows", dataset.rows)) " pixels, SHA-256 " code.hash data-json="/dataset/sha256" { (dataset.sha256) }
            }
        }
    }
}

/// What it ran on, with the threads of the CPU path.
fn adapter(document: &Document) -> Told {
    let line = adapter_line(&document.adapter);
    match document.adapter.processor {
        Some(_) => Told::quoted("/adapter/processor/threads".to_owned(), &line),
        None => line.into(),
    }
}

/// What the driver does where it has a choice, as far as it applies.
fn passport_line(passport: &BTreeMap<String, Observed>) -> Told {
    let seen = passport
        .iter()
        .filter(|(_, seen)| **seen != Observed::Nothing);
    let each = seen.map(|(name, seen)| {
        let seen = Figure::new(format!("/passport/{name}"), Some(seen.to_string()));
        Told::from(name.replace('_', " ")).and(" ").and(seen)
    });
    Told::joined(each, ", ")
}
