//! Which adapter is meant, and what it lacks, on a machine made up.

use super::*;
use crate::Precision;

fn adapter(index: usize, name: &str, backend: Backend, kind: Kind) -> AdapterInfo {
    AdapterInfo {
        index,
        name: name.into(),
        backend,
        kind,
        driver: String::new(),
        features: Vec::new(),
        processor: None,
        matrix_units: None,
    }
}

const PROCESSOR: ProcessorInfo = ProcessorInfo {
    instruction_set: "portable",
    threads: 2,
};

fn machine() -> Vec<AdapterInfo> {
    vec![
        adapter(0, "llvmpipe (LLVM 15)", Backend::Vulkan, Kind::Software),
        adapter(1, "Great Graphics 7", Backend::Vulkan, Kind::Integrated),
        adapter(2, "llvmpipe", Backend::Gl, Kind::Software),
        AdapterInfo::cpu(3, PROCESSOR),
    ]
}

fn chosen(selector: &str) -> usize {
    let selector = selector.parse().unwrap();
    select(&machine(), Some(&selector)).unwrap().0.index
}

#[test]
fn a_selector_is_a_backend_then_an_index_then_a_name() {
    assert_eq!(chosen("vulkan"), 1);
    assert_eq!(chosen("GL"), 2);
    assert_eq!(chosen("cpu"), 3);
    assert_eq!(chosen("0"), 0);
    assert_eq!(chosen("LLVMpipe"), 0);
    assert_eq!(select(&machine(), None).unwrap().0.index, 1);
}

#[test]
fn a_missing_adapter_lists_what_there_is() {
    let selector: Selector = "metal".parse().unwrap();
    assert!(select(&machine(), Some(&selector)).is_none());
    let error = not_found(&machine(), "metal".into());
    assert_eq!(error.exit_code(), 3);
    let message = error.to_string();
    assert!(
        message.contains("1 Great Graphics 7") && message.contains("CPU path"),
        "{message}"
    );
    let hint = message.contains("mesa-vulkan-drivers");
    assert_eq!(hint, cfg!(target_os = "linux"), "{message}");
}

#[test]
fn f16_needs_its_feature_except_on_the_cpu_path() {
    let mut info = machine().swap_remove(1);
    assert!(info.lacks(Precision::F16).is_some());
    assert!(info.lacks(Precision::Int8).is_none());
    info.features.push(Feature::ShaderF16);
    assert!(info.lacks(Precision::F16).is_none());
    assert!(
        AdapterInfo::cpu(0, PROCESSOR)
            .lacks(Precision::F16)
            .is_none()
    );
}

#[test]
fn matrix_units_need_their_features() {
    let mut info = machine().swap_remove(1);
    let lacks = |info: &AdapterInfo| info.lacks_matrix_units().unwrap_or("nothing").to_owned();
    assert!(lacks(&info).contains("no cooperative matrices"));
    info.features.push(Feature::CooperativeMatrix);
    assert!(lacks(&info).contains("shader-f16"));
    info.features.push(Feature::ShaderF16);
    assert!(lacks(&info).contains("subgroup"));
    info.features.push(Feature::Subgroup);
    assert!(lacks(&info).contains("the adapter has no cooperative matrix of 8×8 or 16×16"));
    info.matrix_units = Some(MatrixUnits { size: 8, lanes: 8 });
    assert_eq!(lacks(&info), "nothing");
    for feature in [
        Feature::CooperativeMatrix,
        Feature::ShaderF16,
        Feature::Subgroup,
    ] {
        let mut masked = info.clone();
        masked.mask(&[feature]);
        assert_eq!(masked.matrix_units, None);
    }
    info.mask(&[Feature::TimestampQuery]);
    assert!(info.matrix_units.is_some());
    assert!(
        AdapterInfo::cpu(0, PROCESSOR)
            .lacks_matrix_units()
            .is_some()
    );
}
