//! Which adapter `--adapter` and the variables mean.

use serde_json::Value;

use crate::Adapter;
use crate::support::{Fixture, command, has, rows, run, validate};

/// The adapter that ran, and why that one.
fn chosen(arguments: &[&str], variables: &[(&str, &str)]) -> (Value, String) {
    let fixture = Fixture::new();
    let mut command = command();
    command.args([
        "bench", "--runs", "1", "--warmup", "1", "--batch", "8", "--format", "json",
    ]);
    command
        .args(["--precision", "f32", "--data"])
        .arg(fixture.data());
    command.arg("--model").arg(fixture.model());
    let mut document = run(command.args(arguments).envs(variables.iter().copied())).json();
    assert_eq!(document["results"][0]["effective"]["device"], "gpu");
    let mut adapter = document["adapters"][0].take();
    let reason = adapter["reason"].take();
    (adapter, reason.as_str().expect("words").to_owned())
}

pub fn the_index_selects(adapter: &Adapter) {
    let (chosen, reason) = chosen(&["--adapter", &adapter.index], &[]);
    assert_eq!(chosen["name"], adapter.name);
    assert_eq!(chosen["backend"], adapter.backend);
    has(&reason, &[&format!("'{}'", adapter.index)]);
    list_of_one_backend(adapter);
}

/// An index means the list that `adapters` prints in the same environment.
fn list_of_one_backend(adapter: &Adapter) {
    let variables = [("WGPU_BACKEND", adapter.backend.as_str())];
    let mut list = command();
    list.args(["adapters", "--format", "json"]).envs(variables);
    let list = run(&mut list).json();
    let list = list.as_array().expect("a list").iter();
    for listed in list.filter(|listed| listed["kind"] != "cpu") {
        assert_eq!(listed["backend"], adapter.backend);
        let index = listed["index"].to_string();
        let (chosen, _) = chosen(&["--adapter", &index], &variables);
        assert_eq!(
            chosen["backend"], adapter.backend,
            "index {index} of that list"
        );
        assert_eq!(chosen["name"], listed["name"], "index {index} of that list");
    }
}

pub fn the_backend_selects(adapter: &Adapter) {
    for selector in [adapter.backend.clone(), adapter.backend.to_uppercase()] {
        let (chosen, reason) = chosen(&["--adapter", &selector], &[]);
        assert_eq!(chosen["backend"], adapter.backend);
        has(&reason, &[&adapter.backend]);
    }
}

pub fn part_of_the_name_selects(adapter: &Adapter) {
    let word = adapter.name.split([' ', '(']).find(|word| word.len() > 2);
    let word = word.expect("a word in the name");
    for selector in [word.to_lowercase(), word.to_uppercase()] {
        let (chosen, reason) = chosen(&["--adapter", &selector], &[]);
        let name = chosen["name"].as_str().expect("a name").to_lowercase();
        has(&name, &[&selector.to_lowercase()]);
        has(&reason, &[&word.to_lowercase()]);
    }
}

pub fn variables_select(adapter: &Adapter) {
    let backend = adapter.backend.as_str();
    for name in [
        backend.to_owned(),
        backend.to_uppercase(),
        format!(" {backend},{backend}"),
    ] {
        let (chosen, _) = chosen(&[], &[("WGPU_BACKEND", &name)]);
        assert_eq!(chosen["backend"], backend, "WGPU_BACKEND={name}");
    }
    let (by_name, _) = chosen(&[], &[("WGPU_ADAPTER_NAME", &adapter.name)]);
    assert_eq!(by_name["name"], adapter.name);
    let both = [
        ("WGPU_BACKEND", backend),
        ("WGPU_ADAPTER_NAME", &adapter.name),
    ];
    let (by_both, _) = chosen(&[], &both);
    assert_eq!(
        (&by_both["backend"], &by_both["name"]),
        (&backend.into(), &adapter.name.clone().into())
    );

    // The flag beats them.
    let others = [("WGPU_BACKEND", "metal"), ("WGPU_ADAPTER_NAME", "nosuch")];
    let (by_flag, _) = chosen(&["--adapter", backend], &others);
    assert_eq!(by_flag["backend"], backend);
}

/// Without a choice, `bench` measures the best adapter and the CPU path. That does not depend on the adapter, but needs one.
pub fn without_a_choice_the_cpu_is_measured_too(adapter: &Adapter) {
    if adapter.index != "0" {
        return;
    }
    let fixture = Fixture::new();
    let bench = |more: &[&str]| {
        let document = fixture
            .bench(&[&["--batch", "8", "--format", "json"], more].concat())
            .json();
        validate(&document);
        document
    };
    let kinds = |document: &Value| -> Vec<String> {
        let adapters = document["adapters"].as_array().expect("adapters").iter();
        adapters
            .map(|adapter| adapter["kind"].as_str().expect("a kind").to_owned())
            .collect()
    };
    let document = bench(&[]);
    let kinds_of_both = kinds(&document);
    assert_eq!(kinds_of_both.len(), 2);
    let software = kinds_of_both.contains(&"software".to_owned());
    // A software adapter comes behind the processor that it runs on.
    assert_eq!(
        kinds_of_both.iter().position(|kind| kind == "cpu"),
        Some(usize::from(!software))
    );
    for (at, kind) in kinds_of_both.iter().enumerate() {
        let own = rows(&document)
            .iter()
            .filter(|row| row["requested"]["adapter"] == at);
        let names: Vec<&str> = own
            .clone()
            .map(|row| row["name"].as_str().expect("a name"))
            .collect();
        let all = ["f32", "f16", "int8", "int8 dynamic-tensor"];
        assert!(
            names == all || kind != "cpu" && !adapter.has("shader-f16"),
            "{kind}: {names:?}"
        );
        for row in own {
            let device = if kind == "cpu" { "cpu" } else { "gpu" };
            assert_eq!(row["effective"]["device"], device, "{row}");
            assert_eq!(row["effective"]["adapter"], at, "{row}");
        }
    }
    let recommended = &document["verdict"]["recommended"];
    if software {
        assert_eq!(recommended["adapter"], 0, "{recommended}");
    }
    let table = fixture.bench(&["--batch", "8"]).good();
    has(&table, &["on the CPU", "× as long"]);
    assert_eq!(table.contains("software adapter"), software, "{table}");

    // What the adapter cannot run has one row, on the CPU path.
    let masked = bench(&["--mask-features", "shader-f16"]);
    let f16: Vec<&Value> = rows(&masked)
        .iter()
        .filter(|row| row["name"] == "f16")
        .collect();
    assert_eq!(f16.len(), 1);
    assert_eq!(f16[0]["effective"]["device"], "cpu");
    has(
        f16[0]["effective"]["reason"].as_str().expect("a reason"),
        &["shader-f16"],
    );

    // These options are about one adapter.
    for narrowed in [
        &["--no-fallback"][..],
        &["--path", "fused"],
        &["--adapter", "0"],
    ] {
        let document = bench(&[narrowed, &["--precision", "f32"]].concat());
        assert!(
            !kinds(&document).contains(&"cpu".to_owned()),
            "{narrowed:?}"
        );
    }
    assert_eq!(kinds(&bench(&["--adapter", "cpu"])), ["cpu"]);
}
