//! Networks of random magnitudes, in every format: right, or reported.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::exclusive;
use crate::fuzz::judge::held;
use crate::fuzz::ranges::case;

/// Networks in an ordinary run, and in the sweep.
const NETWORKS: [usize; 2] = [5_000, 100_000];

#[test]
fn networks_of_any_magnitude_are_right_or_reported() {
    let _exclusive = exclusive();
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
    for _ in 0..NETWORKS[usize::from(std::env::var_os("FMNIST_GPU_SWEEP").is_some())] {
        let data: Vec<u8> = (0..256).map(|_| rng.random()).collect();
        for (mode, run) in case(&data).map_or_else(Vec::new, |case| held(&case)) {
            // Mixed modes differ from network to network.
            if mode.layers.is_empty() {
                counts.entry(mode.to_string()).or_default()[usize::from(run)] += 1;
            }
        }
    }
    // Neither is an exception in any mode.
    for (mode, [reported, run]) in counts {
        let share = run as f64 / (run + reported) as f64;
        assert!(
            (0.02..0.98).contains(&share),
            "{mode}: {run} were run, {reported} reported"
        );
    }
}
