//! From shader files to the WGSL text that the driver gets.
//!
//! A file in `shaders/` names what it needs in lines `#import shared/params`. [`link`] writes the
//! imported files before the file itself, each once. A name without a folder, as in `#import element`, is
//! an *abstract import*: which file it stands for depends on the kernel variant, and
//! [`choices::of`] says which. So a kernel is written once, and is compiled for every element type, input
//! and output. Before all files come their directives (`enable`, `requires`) and the constants of the
//! variant: tile sizes, lanes, the number of an activation ([`constants`]). Last, marked loops are
//! unrolled ([`unroll`]).
//!
//! WESL (the `wesl` crate) is not used, for these reasons, found with version 0.4, the newest that Rust
//! 1.95 compiles. It parses and prints the text again, so that the comments are lost and the declarations
//! reordered: the text could no longer be read as it runs. It rejects `dot4I8Packed` and the
//! `coop_mat…` types unless its validation is switched off. Abstract imports and loops that are spelled
//! out would still need code of our own. And it takes 1 to 3 ms for each kernel, where `link` takes some
//! microseconds.

pub(super) mod choices;
pub(super) mod constants;
mod files;
mod import;
pub(super) mod unroll;

pub(super) use files::{FILES, summary};
pub(super) use import::{Constants, link};

/// The text of every shader and of the code that assembles them, in a fixed order: while none of it
/// changes, no kernel changes.
pub(super) fn texts() -> impl Iterator<Item = &'static str> {
    let host = [
        include_str!("choices.rs"),
        include_str!("constants.rs"),
        include_str!("import.rs"),
        include_str!("unroll.rs"),
    ];
    FILES.iter().map(|&(_, text)| text).chain(host)
}
