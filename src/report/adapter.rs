//! How reports describe an adapter.

use crate::adapter::{AdapterInfo, Kind};

/// `llvmpipe (LLVM 15.0.6, 256 bits), vulkan, software; driver llvmpipe Mesa 22.3.6 (LLVM 15.0.6)`
pub(super) fn adapter_line(adapter: &AdapterInfo) -> String {
    match adapter.kind {
        Kind::Cpu => {
            let processor = adapter.processor.map(|processor| format!("; {processor}"));
            let processor = processor.unwrap_or_default();
            format!("{} ({}{processor})", adapter.name, adapter.driver)
        }
        kind => {
            let driver = if adapter.driver.is_empty() {
                "not named"
            } else {
                &adapter.driver
            };
            format!(
                "{}, {}, {kind}; driver {driver}",
                adapter.name, adapter.backend
            )
        }
    }
}

/// The lines of a preamble on an adapter: what it is, why it was chosen, and whether it is a software adapter.
pub(super) fn adapter_lines(adapter: &AdapterInfo, reason: &str) -> String {
    let mut text = format!("Adapter:  {}\n          {reason}\n", adapter_line(adapter));
    if adapter.kind == Kind::Software {
        text.push_str("          ");
        text.push_str(SOFTWARE);
        text.push('\n');
    }
    text
}

/// What a software adapter's figures mean.
pub(super) const SOFTWARE: &str = "This is a software adapter: it runs shaders on the CPU, so its figures say nothing about a GPU.";
