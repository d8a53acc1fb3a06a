//! Why a row is not faster: the parts of its time, and the bottleneck among them, in words.

use std::fmt;

use crate::engine::Place;
use crate::results::{Breakdown, Part, Row, Share, Why};
use crate::units::share;

/// From this share of the ceiling on, arithmetic limits the kernels.
const NEAR_CEILING: f64 = 0.6;

/// Memory limits the kernels if copying their bytes once takes at least this share of their time.
const MOSTLY_MEMORY: f64 = 0.5;

/// Below this share of the ceiling, something other than arithmetic limits the kernels; between the two, both do.
const FAR_FROM_CEILING: f64 = 0.4;

/// The largest possible speedup is reported below this: int8 often gains that much.
const LOW_BOUND: f64 = 3.0;

/// Why a measured row is not faster, compared with f32 at the same batch size where that was measured.
pub(super) fn why(row: &Row, f32: Option<&Row>) -> Option<Why> {
    let shares = parts(row)?;
    // Of equal parts the first is the bottleneck.
    let first = |best: Share, part: &Share| if part.share > best.share { *part } else { best };
    let bottleneck = shares.iter().fold(*shares.first()?, first);
    let same_device = f32.filter(|f32| f32.effective.device == row.effective.device);
    let max_speedup_vs_f32 = same_device.and_then(max_speedup);
    let mut text = describe(row, bottleneck, &shares);
    let other = f32.filter(|f32| f32.requested != row.requested);
    let times = other.and_then(|f32| {
        let own = kernel_time(row, &shares)?;
        Some(own / kernel_time(f32, &parts(f32)?)?)
    });
    if let Some(times) = times {
        text.push_str(&format!(
            " Its kernels take {times:.2}× the time of the f32 kernels."
        ));
    }
    if let Some(most) = max_speedup_vs_f32.filter(|&most| most < LOW_BOUND) {
        text.push_str(&format!(
            " Even if the kernels took no time, a batch would be at most {most:.2}× as fast as f32 with the \
             same number of dispatches."
        ));
    }
    Some(Why {
        bottleneck: bottleneck.part,
        parts: shares,
        max_speedup_vs_f32,
        text,
    })
}

/// The parts of a row's time that this device can measure; none where the row was not measured.
fn parts(row: &Row) -> Option<Vec<Share>> {
    let (upload, all) = (row.upload_ns?, row.end_to_end_ns?);
    let times = match row.breakdown.first() {
        Some(breakdown) => {
            let &Breakdown {
                upload_ns,
                gaps_ns,
                host_ns,
                ref kernels,
                ..
            } = breakdown;
            vec![
                (Part::Upload, upload_ns),
                (Part::Kernels, kernels.iter().map(|kernel| kernel.ns).sum()),
                (Part::Gaps, gaps_ns),
                (Part::ReadBack, host_ns),
            ]
        }
        None => vec![(Part::Upload, upload), (Part::Kernels, all - upload)],
    };
    let total: u64 = times.iter().map(|(_, time)| time).sum();
    let of = |time| time as f64 / total.max(1) as f64;
    Some(
        times
            .into_iter()
            .map(|(part, time)| Share {
                part,
                share: of(time),
            })
            .collect(),
    )
}

/// A row's time in its kernels, in nanoseconds.
fn kernel_time(row: &Row, parts: &[Share]) -> Option<f64> {
    let share = parts.iter().find(|part| part.part == Part::Kernels)?.share;
    Some(row.end_to_end_ns? as f64 * share).filter(|&time| time > 0.0)
}

/// The speedup of this f32 row if its kernels took no time and everything else stayed the same; none where only its
/// kernels' time is known. Other kernels may have fewer gaps.
fn max_speedup(f32: &Row) -> Option<f64> {
    f32.breakdown.first()?;
    let parts = parts(f32)?;
    let kernels = parts.iter().find(|part| part.part == Part::Kernels)?.share;
    (kernels < 1.0).then(|| 1.0 / (1.0 - kernels))
}

/// The bottleneck in a sentence.
fn describe(row: &Row, bottleneck: Share, parts: &[Share]) -> String {
    let of = share(bottleneck.share);
    match bottleneck.part {
        Part::Upload => format!(
            "Uploading the images takes {of} of the time. They are bytes in every precision, so a smaller precision does \
             not shorten it."
        ),
        Part::Gaps => format!(
            "The gaps between dispatches take {of} of the time. Fewer dispatches would help; a smaller precision does \
             not."
        ),
        Part::ReadBack => format!(
            "Recording, submitting, waiting and reading back take {of} of the time. A smaller precision does not shorten \
             that; a larger batch shortens it per image."
        ),
        Part::Kernels => kernels(row, &of, parts),
    }
}

/// The bottleneck where the kernels take most of the time.
fn kernels(row: &Row, of: &str, parts: &[Share]) -> String {
    let who = match row.effective.device {
        Some(Place::Cpu) => "The kernels take",
        // Without timestamps their time cannot be measured alone.
        _ if parts.len() == 2 => "The kernels, together with submitting and reading back, take",
        _ => "The kernels take",
    };
    let Some(inside) = Inside::of(row, parts) else {
        return format!("{who} {of} of the time.");
    };
    format!("{who} {of} of the time. {inside}.")
}

/// The rate that the kernels reach.
struct Inside {
    /// The arithmetic's name.
    arithmetic: &'static str,
    /// The share of the peak of as many threads as they ran on.
    share: f64,
    /// The threads that they ran on and all threads, where these differ.
    threads: Option<(usize, usize)>,
    /// The share of the kernels' time that a copy of their parameters and activations takes; none where no copy was
    /// measured.
    bytes: Option<f64>,
}

impl Inside {
    fn of(row: &Row, parts: &[Share]) -> Option<Self> {
        let ceiling = row.ceiling?;
        let share_of = |part| parts.iter().find(|share| share.part == part);
        let upload = share_of(Part::Upload).map_or(0.0, |upload| upload.share);
        let kernels = share_of(Part::Kernels)?.share;
        if kernels <= 0.0 {
            return None;
        }
        // The rate is over the time without the upload.
        let narrower = (1.0 - upload) / kernels;
        let threads = row.effective.threads.zip(ceiling.threads);
        let threads = threads.filter(|(own, all)| own < all);
        let part = threads.map_or(1.0, |(own, all)| own as f64 / all as f64);
        let rate = ceiling.share * ceiling.operations_per_second * narrower;
        let bytes = ceiling.bytes_per_second.zip(row.operations_per_byte);
        Some(Self {
            arithmetic: ceiling.arithmetic,
            share: ceiling.share * narrower / part,
            threads,
            bytes: bytes.map(|(copy, intensity)| rate / intensity / copy),
        })
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (reached, arithmetic) = (share(self.share), self.arithmetic);
        write!(f, "They reach {reached} of the {arithmetic} peak")?;
        if let Some((own, all)) = self.threads {
            write!(f, " of {own} of the {all} threads")?;
        }
        write!(f, ", so ")?;
        if self.share >= NEAR_CEILING {
            return write!(f, "arithmetic limits them");
        }
        if self.share >= FAR_FROM_CEILING {
            return write!(f, "arithmetic and other work limit them about equally");
        }
        match self.bytes {
            None => write!(
                f,
                "arithmetic does not limit them. Memory, conversions or the cost of starting work limits them"
            ),
            // Kernels that take less time than a copy of their bytes read most of them from caches.
            Some(bytes) if bytes > 1.0 => write!(
                f,
                "arithmetic does not limit them. Memory does not either: copying their parameters and \
                 activations takes {bytes:.1}× that time, so they read most of them from caches. Conversions, cache reads or the cost of starting work limits them"
            ),
            Some(bytes) if bytes >= MOSTLY_MEMORY => write!(
                f,
                "memory limits them: copying their parameters and activations takes {} of that time",
                share(bytes)
            ),
            Some(bytes) => write!(
                f,
                "arithmetic does not limit them. Memory does not either: copying their parameters and \
                 activations takes only {} of that time. Conversions, repeated reads or the cost of starting work limits them",
                share(bytes)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use crate::memory::footprint;
    use crate::results::{KernelTime, Requested, RowCeiling};

    /// A row whose batch has these four parts, or whose parts are unknown.
    fn row(precision: Precision, parts: Option<[u64; 4]>) -> Row {
        let requested = Requested::new(&precision.into(), 1);
        let mut row = Row::new(requested, 1, footprint(&[784, 10], precision, 1));
        let all: u64 = parts.map_or(1000, |parts| parts.iter().sum());
        let upload = parts.map_or(100, |parts| parts[0]);
        row.effective.device = Some(Place::Gpu);
        (row.upload_ns, row.end_to_end_ns) = (Some(upload), Some(all));
        if let Some([upload_ns, kernels, gaps_ns, host_ns]) = parts {
            row.breakdown.push(Breakdown {
                path: "fused",
                kernel: "register-8x8",
                upload_ns,
                kernels: [kernels / 2, kernels - kernels / 2]
                    .map(|ns| KernelTime {
                        name: "layers.0 register".into(),
                        ns,
                    })
                    .to_vec(),
                gaps_ns,
                host_ns,
            });
        }
        row
    }

    #[test]
    fn the_largest_part_is_the_bottleneck_and_shares_make_one() {
        for (parts, bottleneck, word) in [
            (
                [600, 200, 100, 100],
                Part::Upload,
                "bytes in every precision",
            ),
            ([100, 700, 100, 100], Part::Kernels, "The kernels take 70%"),
            ([100, 100, 700, 100], Part::Gaps, "gaps"),
            (
                [100, 100, 100, 700],
                Part::ReadBack,
                "reading back take 70%",
            ),
        ] {
            let why = why(&row(Precision::F32, Some(parts)), None).expect("a measured row");
            assert_eq!(why.bottleneck, bottleneck);
            assert!(why.text.contains(word), "{}", why.text);
            let sum: f64 = why.parts.iter().map(|part| part.share).sum();
            assert!((sum - 1.0).abs() <= 1e-12, "{sum}");
        }
    }

    #[test]
    fn time_that_no_precision_shortens_limits_them_all() {
        let f32 = row(Precision::F32, Some([100, 200, 50, 650]));
        let int8 = row(Precision::Int8, Some([100, 300, 50, 650]));
        let why = why(&int8, Some(&f32)).expect("a measured row");
        assert!((why.max_speedup_vs_f32.expect("a bound") - 1.25).abs() <= 1e-12);
        assert!(why.text.contains("1.50× the time"), "{}", why.text);
        assert!(
            why.text.contains(
                "Even if the kernels took no time, a batch would be at most 1.25× as fast as f32"
            ),
            "{}",
            why.text
        );
    }

    fn ceiling(share: f64) -> RowCeiling {
        RowCeiling {
            arithmetic: "f32",
            operations_per_second: 1e9,
            threads: None,
            share,
            bytes_per_second: None,
        }
    }

    /// A share of the peak over the time after the upload is a larger share over the kernels' time.
    #[test]
    fn the_bottleneck_is_judged_only_by_the_kernels() {
        let mut row = row(Precision::F32, Some([200, 400, 200, 200]));
        let text = |row: &Row| why(row, None).expect("a measured row").text;
        row.ceiling = Some(ceiling(0.35));
        let words = "They reach 70% of the f32 peak, so arithmetic limits them";
        assert!(text(&row).contains(words), "{}", text(&row));
        // 0.2 of 1e9 operations a second, an operation a byte: 0.2e9 bytes a second.
        row.ceiling = Some(ceiling(0.1));
        row.operations_per_byte = Some(1.0);
        for (copy, words) in [
            (
                None,
                "Memory, conversions or the cost of starting work limits them",
            ),
            (
                Some(0.25e9),
                "memory limits them: copying their parameters and activations takes 80%",
            ),
            (
                Some(4e9),
                "copying their parameters and activations takes only 5.0%",
            ),
            (
                Some(1e8),
                "Memory does not either: copying their parameters and activations takes 2.0×",
            ),
        ] {
            row.ceiling = Some(RowCeiling {
                bytes_per_second: copy,
                ..ceiling(0.1)
            });
            assert!(text(&row).contains(words), "{}", text(&row));
        }
    }

    #[test]
    fn one_thread_is_compared_with_the_peak_of_one() {
        let mut row = row(Precision::F32, None);
        row.effective.device = Some(Place::Cpu);
        row.effective.threads = Some(1);
        row.ceiling = Some(RowCeiling {
            threads: Some(4),
            ..ceiling(0.2)
        });
        let text = why(&row, None).expect("a measured row").text;
        let words = "80% of the f32 peak of 1 of the 4 threads, so arithmetic limits them";
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn without_timestamps_there_are_two_parts_and_no_largest_speedup() {
        let f32 = row(Precision::F32, None);
        let found = why(&f32, Some(&f32)).expect("a measured row");
        assert_eq!((found.parts.len(), found.max_speedup_vs_f32), (2, None));
        assert!(
            found.text.contains("together with submitting"),
            "{}",
            found.text
        );
        let mut near = f32.clone();
        near.effective.device = Some(Place::Cpu);
        for (share, words) in [
            (0.8, "80% of the f32 peak, so arithmetic limits them"),
            (0.5, "about equally"),
            (0.2, "arithmetic does not limit them"),
        ] {
            near.ceiling = Some(ceiling(share));
            let found = why(&near, None).expect("a measured row");
            assert!(found.text.contains(words), "{}", found.text);
        }
        // What the adapter cannot do says nothing about the CPU path.
        let f32 = row(Precision::F32, Some([100, 200, 50, 650]));
        let found = why(&near, Some(&f32)).expect("a measured row");
        assert_eq!(found.max_speedup_vs_f32, None);
        let mut unmeasured = row(Precision::F32, None);
        unmeasured.end_to_end_ns = None;
        assert_eq!(why(&unmeasured, None), None);
    }
}
