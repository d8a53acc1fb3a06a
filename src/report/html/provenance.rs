//! What was run on what.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::view::View;
use crate::report::table::adapter_line;
use crate::units::count;
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
    html! {
        dl.provenance {
            dt { "Command" } dd { code data-json="/command" { (document.command) } }
            dt { "Date" } dd data-json="/tool/date" { (tool.date) }
            dt { "Program" }
            dd {
                "fmnist-gpu " (tool.version) ", " (tool.profile) " build, "
                @match tool.commit { Some(commit) => { "commit " code { (commit) } }, None => "of no known commit" }
            }
            dt { "Adapter" } dd { (adapter_line(&document.adapter)) "; " (document.adapter_reason) }
            dt { "Features" } dd { (if features.is_empty() { "none that matter here".to_owned() } else { features.join(", ") }) }
            @if let Some(passport) = &document.passport {
                dt { "Arithmetic" }
                dd { (passport_line(passport)) }
            }
            dt { "Matrix units" } dd { (document.matrix_units.reason) }
            dt { "Machine" }
            dd {
                @if let Some(processor) = &machine.processor { (processor) ", " }
                (machine.processors) " processors, " (machine.system)
                @if let Some(load) = machine.load_before { ", load before the run " (format!("{load:.2}")) }
            }
            dt { "Network" }
            dd {
                (layers.join("-")) " (" (model.activations.join(", ")) "), " (count(model.parameters)) " parameters, "
                code { (model.path) } ", SHA-256 " code.hash { (model.sha256) }
            }
            dt { "Images" }
            dd {
                (dataset.name) ", " (count(dataset.images as u64)) " of " (dataset.columns) "×" (dataset.rows)
                " pixels, SHA-256 " code.hash { (dataset.sha256) }
            }
        }
    }
}

/// What the driver does where it has a choice, as far as it applies.
fn passport_line(passport: &BTreeMap<String, Observed>) -> String {
    let seen = passport
        .iter()
        .filter(|(_, seen)| **seen != Observed::Nothing);
    let each = seen.map(|(name, seen)| format!("{} {seen}", name.replace('_', " ")));
    each.collect::<Vec<_>>().join(", ")
}
