//! Which kernel is fastest on an adapter, and the file that remembers it from one run to the next.

mod cache;

pub use cache::{Cache, Effort, Entry, FOLDER_VARIABLE, Key};
