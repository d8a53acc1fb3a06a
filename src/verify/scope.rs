//! Which checks are made.

use std::time::Duration;

use super::row::CheckRow;

/// Which checks are made, and who hears of them.
pub struct Scope<'a> {
    /// Only those of whose names (`kernels/matmul-8x8 f32`) this is a part.
    pub only: Option<String>,
    /// No check is begun later than so long from the beginning on: those that are left are skipped. What is checked
    /// is then spread over all there is.
    pub time: Option<Duration>,
    /// Called with what is being checked, how many checks are done, and how many there are.
    pub progress: &'a mut dyn FnMut(&str, usize, usize),
    /// Called with each check as it is made, with its place among all, and with the hash of int8 sums where it was
    /// of these: what ends everything later takes nothing from it.
    pub found: &'a mut dyn FnMut(usize, CheckRow, Option<String>),
}
