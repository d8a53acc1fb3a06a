//! The command line as its users meet it: the real binary, its exit codes, what it prints and what
//! it writes. Nothing here needs a GPU; where no adapter is named, the best one of this machine
//! runs, which may be the CPU path. What needs one is in tests/cli_gpu.

#[macro_use]
mod support;

mod baseline;
mod bench;
mod endings;
mod errors;
mod faults;
mod figures;
mod files;
mod html;
mod interrupt;
mod limits;
mod lists;
#[cfg(target_os = "linux")]
mod memory;
mod messages;
mod modes;
mod other_model;
mod outputs;
mod overflow;
mod page;
mod predict;
mod processor;
mod quantize;
mod random;
mod ranges;
mod report;
#[cfg(target_os = "linux")]
mod scarcity;
mod schema;
mod search;
mod services;
mod shader;
mod terminal;
mod train;
mod verdict;
mod verify;
