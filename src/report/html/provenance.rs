//! The setup of a run: program, adapters, machine, model and data.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::figure::{Figure, Traced};
use super::view::View;
use crate::report::adapter::adapter_line;
use crate::report::document::AdapterEntry;
use crate::verify::numerics::Observed;

pub fn section(view: &View<'_>) -> Markup {
    let document = view.document;
    let (tool, model, dataset, machine) = (
        &document.tool,
        &document.model,
        &document.dataset,
        &document.machine,
    );
    let layers: Vec<String> = model.layers.iter().map(ToString::to_string).collect();
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
                    None => "commit not known",
                }
                ", wgpu " span data-json="/tool/wgpu" { (tool.wgpu) }
            }
            @for (at, entry) in document.adapters.iter().enumerate() { (adapter(at, entry)) }
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

/// An adapter, with what it can do.
fn adapter(at: usize, entry: &AdapterEntry) -> Markup {
    let features: Vec<&str> = entry.info.features.iter().map(|one| one.name()).collect();
    let pointer = |field: &str| format!("/adapters/{at}/{field}");
    let line = adapter_line(&entry.info);
    let line = match entry.info.processor {
        Some(_) => Traced::quoted(pointer("processor/threads"), &line),
        None => line.into(),
    };
    html! {
        dt { "Adapter" } dd { (line.inline()) "; " span data-json=(pointer("reason")) { (entry.reason) } }
        dt { "Features" } dd { (if features.is_empty() { "none of those that this program uses".to_owned() } else { features.join(", ") }) }
        @if let Some(numerics) = &entry.numerics {
            dt { "Arithmetic" }
            dd { (numerics_line(at, numerics).inline()) }
        }
        dt { "Matrix units" } dd data-json=(pointer("f16_on_matrix_units/reason")) { (entry.matrix_units.reason) }
    }
}

/// The observations that apply.
fn numerics_line(at: usize, numerics: &BTreeMap<String, Observed>) -> Traced {
    let seen = numerics
        .iter()
        .filter(|(_, seen)| **seen != Observed::Nothing);
    let each = seen.map(|(name, seen)| {
        let pointer = format!("/adapters/{at}/numerics/{name}");
        let seen = Figure::new(pointer, Some(seen.to_string()));
        Traced::from(name.replace('_', " ")).and(" ").and(seen)
    });
    Traced::joined(each, ", ")
}
