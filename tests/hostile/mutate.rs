//! Mutations of files, the same in every run.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// libFuzzer's dictionary, a word in quotes on each line.
const WORDS: &str = include_str!("../../fuzz/words.dict");

/// Longer files are cut: they find no more, and take longer.
const LONGEST: usize = 1 << 14;

/// Makes files out of others.
pub struct Mutator<'a> {
    files: &'a [Vec<u8>],
    words: Vec<Vec<u8>>,
    rng: ChaCha8Rng,
}

impl<'a> Mutator<'a> {
    pub fn new(files: &'a [Vec<u8>]) -> Self {
        let word = |line: &str| {
            let quoted = line.strip_prefix('"')?.strip_suffix('"')?;
            Some(
                quoted
                    .replace("\\\"", "\"")
                    .replace("\\\\", "\\")
                    .into_bytes(),
            )
        };
        Self {
            files,
            words: WORDS.lines().filter_map(word).collect(),
            rng: ChaCha8Rng::seed_from_u64(0),
        }
    }

    /// A file of the corpus after one to eight changes.
    pub fn next(&mut self) -> Vec<u8> {
        let mut data = self
            .files
            .choose(&mut self.rng)
            .cloned()
            .unwrap_or_default();
        for _ in 0..self.rng.random_range(1..=8) {
            self.change(&mut data);
            data.truncate(LONGEST);
        }
        data
    }

    fn change(&mut self, data: &mut Vec<u8>) {
        let rng = &mut self.rng;
        let at = rng.random_range(0..=data.len());
        let end = (at + rng.random_range(1..=16_usize)).min(data.len());
        match rng.random_range(0..9) {
            0 if at < data.len() => data[at] ^= 1 << rng.random_range(0..8),
            1 if at < data.len() => data[at] = rng.next_u32() as u8,
            2 => data.truncate(at),
            3 => drop(data.drain(at..end)),
            4 => {
                let copy = data[at..end].to_vec();
                let to = rng.random_range(0..=data.len());
                data.splice(to..to, copy);
            }
            5 => {
                let numbers: [u64; 6] = [0, 1, 0x7f, 0x7fff_ffff, 0xffff_ffff, u64::MAX];
                let number = numbers.choose(rng).copied().unwrap_or(0);
                let bytes = match rng.random_range(0..2) {
                    0 => number.to_le_bytes(),
                    _ => number.to_be_bytes(),
                };
                let end = (at + 8).min(data.len());
                data[at..end].copy_from_slice(&bytes[..end - at]);
            }
            6 => {
                let word = self.words.choose(rng).cloned().unwrap_or_default();
                data.splice(at..at, word);
            }
            7 => self.digit(data),
            _ => {
                // The head of this file, and the tail of another.
                let other = self.files.choose(rng).map_or(&[][..], Vec::as_slice);
                let from = rng.random_range(0..=other.len());
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
        }
    }

    /// Another digit where there is one: numbers stay numbers.
    fn digit(&mut self, data: &mut [u8]) {
        let places: Vec<usize> = (0..data.len())
            .filter(|&at| data[at].is_ascii_digit())
            .collect();
        if let Some(&at) = places.choose(&mut self.rng) {
            data[at] = b'0' + self.rng.random_range(0..10_u8);
        }
    }
}
