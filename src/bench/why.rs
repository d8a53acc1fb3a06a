//! Why a row is not faster: the parts of its time, and the one that binds, in words.

use std::fmt;

use super::Row;
use super::analysis::{Part, Share, Why};
use super::row::Breakdown;
use crate::engine::Place;
use crate::units::share;

/// Kernels from this share of their ceiling on are bound by arithmetic.
const NEAR_CEILING: f64 = 0.6;

/// Kernels bind by memory where a copy of their bytes, once, takes this share of their time.
const MOSTLY_MEMORY: f64 = 0.5;

/// Below this share of the ceiling something else binds; between the two neither alone does.
const FAR_FROM_CEILING: f64 = 0.4;

/// What free kernels would gain is worth telling below this: no more than int8 often gains.
const LOW_BOUND: f64 = 3.0;

/// Why a measured row is not faster, beside that of f32 at the same batch size, where that was measured.
pub(super) fn why(row: &Row, f32: Option<&Row>) -> Option<Why> {
    let shares = parts(row)?;
    // Of equal parts the first binds.
    let first = |best: Share, part: &Share| if part.share > best.share { *part } else { best };
    let binding = shares.iter().fold(*shares.first()?, first);
    let most_over_f32 = f32.and_then(most);
    let mut text = bound(row, binding, &shares);
    let other = f32.filter(|f32| f32.requested != row.requested);
    let times = other.and_then(|f32| {
        let own = kernel_time(row, &shares)?;
        Some(own / kernel_time(f32, &parts(f32)?)?)
    });
    if let Some(times) = times {
        text.push_str(&format!(
            " Its kernels take {times:.2}× the time of those of f32."
        ));
    }
    if let Some(most) = most_over_f32.filter(|&most| most < LOW_BOUND) {
        text.push_str(&format!(
            " With the dispatches of f32, kernels that take no time would be {most:.2}× as fast as f32."
        ));
    }
    Some(Why {
        binding: binding.part,
        parts: shares,
        most_over_f32,
        text,
    })
}

/// The parts of a row's time that can be told apart; none where it was not measured.
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

/// What this row of f32 would gain, were its kernels free and all else as it is; none where all that is known of
/// its time is kernels. Other kernels may have fewer gaps.
fn most(f32: &Row) -> Option<f64> {
    f32.breakdown.first()?;
    let parts = parts(f32)?;
    let kernels = parts.iter().find(|part| part.part == Part::Kernels)?.share;
    (kernels < 1.0).then(|| 1.0 / (1.0 - kernels))
}

/// What binds, in a sentence.
fn bound(row: &Row, binding: Share, parts: &[Share]) -> String {
    let of = share(binding.share);
    match binding.part {
        Part::Upload => format!(
            "The pixels' way to the device takes {of} of the time, and they are bytes in every precision."
        ),
        Part::Gaps => format!(
            "The gaps between dispatches take {of} of the time; fewer dispatches would help, a smaller \
             precision does not."
        ),
        Part::ReadBack => format!(
            "Recording, submitting, waiting and reading back take {of} of the time, which no precision \
             shortens; a larger batch does, for each image."
        ),
        Part::Kernels => kernels(row, &of, parts),
    }
}

/// What binds where the kernels take most of the time.
fn kernels(row: &Row, of: &str, parts: &[Share]) -> String {
    let who = match row.effective.device {
        Some(Place::Cpu) => "The kernels take",
        // Without timestamps they cannot be told from what is round them.
        _ if parts.len() == 2 => "The kernels, with submitting and reading back, take",
        _ => "The kernels take",
    };
    let Some(inside) = Inside::of(row, parts) else {
        return format!("{who} {of} of the time.");
    };
    format!("{who} {of} of the time; {inside}.")
}

/// What is reached inside the kernels.
struct Inside {
    /// The arithmetic's name.
    arithmetic: &'static str,
    /// The share of the peak of as many threads as it ran on.
    share: f64,
    /// On how many of the threads it ran, where it ran on fewer than the peak's.
    threads: Option<(usize, usize)>,
    /// The share of the kernels' time that a copy of the planned bytes takes; none where no copy was measured.
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
        write!(f, "inside the kernels {reached} of the {arithmetic} peak")?;
        if let Some((own, all)) = self.threads {
            write!(f, " of {own} of {all} threads")?;
        }
        write!(f, " is reached: ")?;
        if self.share >= NEAR_CEILING {
            return write!(f, "arithmetic binds");
        }
        if self.share >= FAR_FROM_CEILING {
            return write!(f, "arithmetic and the rest bind about equally");
        }
        match self.bytes {
            None => write!(
                f,
                "memory, conversions or starting work bind, not arithmetic"
            ),
            // What takes less time than its bytes' way through memory has not gone it.
            Some(bytes) if bytes > 1.0 => write!(
                f,
                "conversions, reads from caches and starting work bind, not arithmetic, and not memory, \
                 through which a copy of the planned bytes takes {bytes:.1}× that time"
            ),
            Some(bytes) if bytes >= MOSTLY_MEMORY => write!(
                f,
                "memory binds, since a copy of the planned bytes takes {} of that time",
                share(bytes)
            ),
            Some(bytes) => write!(
                f,
                "conversions, repeated reads and starting work bind, not arithmetic, and a copy of the planned \
                 bytes takes only {} of that time",
                share(bytes)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use crate::bench::{Ceiling, KernelTime, Requested};
    use crate::memory::footprint;

    /// A row whose batch takes this long, and where of it the four parts are known.
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
    fn the_largest_part_binds_and_shares_make_one() {
        for (parts, binding, word) in [
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
            assert_eq!(why.binding, binding);
            assert!(why.text.contains(word), "{}", why.text);
            let sum: f64 = why.parts.iter().map(|part| part.share).sum();
            assert!((sum - 1.0).abs() <= 1e-12, "{sum}");
        }
    }

    #[test]
    fn what_no_precision_can_shorten_bounds_them_all() {
        let f32 = row(Precision::F32, Some([100, 200, 50, 650]));
        let int8 = row(Precision::Int8, Some([100, 300, 50, 650]));
        let why = why(&int8, Some(&f32)).expect("a measured row");
        assert!((why.most_over_f32.expect("a bound") - 1.25).abs() <= 1e-12);
        assert!(why.text.contains("1.50× the time"), "{}", why.text);
        assert!(
            why.text
                .contains("With the dispatches of f32, kernels that take no time would be 1.25×"),
            "{}",
            why.text
        );
    }

    fn ceiling(share: f64) -> Ceiling {
        Ceiling {
            arithmetic: "f32",
            operations_per_second: 1e9,
            threads: None,
            share,
            bytes_per_second: None,
        }
    }

    /// A quarter of the peak over the time after the upload is more over that of the kernels.
    #[test]
    fn what_binds_is_judged_inside_the_kernels() {
        let mut row = row(Precision::F32, Some([200, 400, 200, 200]));
        let text = |row: &Row| why(row, None).expect("a measured row").text;
        row.ceiling = Some(ceiling(0.35));
        let words = "inside the kernels 70% of the f32 peak is reached: arithmetic binds";
        assert!(text(&row).contains(words), "{}", text(&row));
        // 0.2 of 1e9 operations a second, an operation a byte: 0.2e9 bytes a second.
        row.ceiling = Some(ceiling(0.1));
        row.operations_per_byte = Some(1.0);
        for (copy, words) in [
            (None, "memory, conversions or starting work bind"),
            (
                Some(0.25e9),
                "memory binds, since a copy of the planned bytes takes 80%",
            ),
            (Some(4e9), "a copy of the planned bytes takes only 5.0%"),
            (
                Some(1e8),
                "not memory, through which a copy of the planned bytes takes 2.0×",
            ),
        ] {
            row.ceiling = Some(Ceiling {
                bytes_per_second: copy,
                ..ceiling(0.1)
            });
            assert!(text(&row).contains(words), "{}", text(&row));
        }
    }

    #[test]
    fn one_thread_is_held_against_the_peak_of_one() {
        let mut row = row(Precision::F32, None);
        row.effective.device = Some(Place::Cpu);
        row.effective.threads = Some(1);
        row.ceiling = Some(Ceiling {
            threads: Some(4),
            ..ceiling(0.2)
        });
        let text = why(&row, None).expect("a measured row").text;
        let words = "80% of the f32 peak of 1 of 4 threads is reached: arithmetic binds";
        assert!(text.contains(words), "{text}");
    }

    #[test]
    fn without_timestamps_there_are_two_parts_and_no_bound() {
        let f32 = row(Precision::F32, None);
        let found = why(&f32, Some(&f32)).expect("a measured row");
        assert_eq!((found.parts.len(), found.most_over_f32), (2, None));
        assert!(found.text.contains("with submitting"), "{}", found.text);
        let mut near = f32.clone();
        near.effective.device = Some(Place::Cpu);
        for (share, words) in [
            (0.8, "80% of the f32 peak is reached: arithmetic binds"),
            (0.5, "about equally"),
            (0.2, "not arithmetic"),
        ] {
            near.ceiling = Some(ceiling(share));
            let found = why(&near, None).expect("a measured row");
            assert!(found.text.contains(words), "{}", found.text);
        }
        let mut unmeasured = row(Precision::F32, None);
        unmeasured.end_to_end_ns = None;
        assert_eq!(why(&unmeasured, None), None);
    }
}
