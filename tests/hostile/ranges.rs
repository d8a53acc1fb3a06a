//! Networks of random magnitudes, in every format: right, or reported.

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
    let [mut run, mut reported] = [0, 0];
    for _ in 0..NETWORKS[usize::from(std::env::var_os("FMNIST_GPU_SWEEP").is_some())] {
        let data: Vec<u8> = (0..256).map(|_| rng.random()).collect();
        if let Some(case) = case(&data) {
            let counts = held(&case);
            run += counts[0];
            reported += counts[1];
        }
    }
    // Neither is an exception.
    let share = run as f64 / (run + reported) as f64;
    assert!(
        (0.2..0.8).contains(&share),
        "{run} were run, {reported} reported"
    );
}
