//! Samples that a test makes longer, to see that a comparison finds a slowdown of a known size.
//!
//! It exists only with the cargo feature `fault-injection`, where `FMNIST_GPU_SLOWDOWN=10%` makes every sample longer by
//! that share. The result is marked. Without the feature the same names do nothing.

#[cfg(feature = "fault-injection")]
pub use injected::Slowdown;
#[cfg(not(feature = "fault-injection"))]
pub use none::Slowdown;

#[cfg(feature = "fault-injection")]
mod injected {
    use std::time::{Duration, Instant};

    use crate::error::{Error, Result, UsageError};
    use crate::units::parse_percent;

    const VARIABLE: &str = "FMNIST_GPU_SLOWDOWN";

    /// The share by which every sample is made longer.
    #[derive(Clone, Copy, Debug, Default)]
    pub struct Slowdown(f64);

    impl Slowdown {
        /// What `FMNIST_GPU_SLOWDOWN` asks for.
        ///
        /// # Errors
        /// `Error::Usage` where it is no percentage.
        pub fn from_environment() -> Result<Self> {
            let Ok(text) = std::env::var(VARIABLE) else {
                return Ok(Self::default());
            };
            parse_percent(&text).map(Self).map_err(|_| {
                Error::Usage(UsageError::InvalidValue {
                    what: VARIABLE.to_owned(),
                    given: format!("'{text}'"),
                    expected: "a percentage, such as 5%".to_owned(),
                })
            })
        }

        /// The share. 0 where samples are as long as they are.
        #[must_use]
        pub fn share(self) -> f64 {
            self.0
        }

        /// Refuses to keep a result whose samples are longer than they are.
        ///
        /// # Errors
        /// `Error::Usage` where samples are made longer.
        pub fn check_save(self) -> Result<()> {
            if self.0 > 0.0 {
                return Err(Error::Usage(UsageError::OptionConflict {
                    option: "--save".to_owned(),
                    reason: format!("{VARIABLE} slows down every sample"),
                    remedy: format!("unset {VARIABLE}, or drop --save"),
                }));
            }
            Ok(())
        }

        /// Works on until a sample that began at `start` is long enough. Gives the longer durations of its parts.
        pub(in crate::bench) fn stretch(
            self,
            start: Instant,
            parts: [Duration; 2],
        ) -> [Duration; 2] {
            if self.0 <= 0.0 {
                return parts;
            }
            let stretched = parts.map(|part| part.mul_f64(1.0 + self.0));
            // Real work would take the processor too, so this does not sleep.
            while start.elapsed() < stretched.iter().sum() {
                std::hint::spin_loop();
            }
            stretched
        }
    }
}

#[cfg(not(feature = "fault-injection"))]
mod none {
    use std::time::{Duration, Instant};

    use crate::error::Result;

    /// No slowdown. With the cargo feature `fault-injection` tests choose one.
    #[derive(Clone, Copy, Debug, Default)]
    #[non_exhaustive]
    pub struct Slowdown {}

    impl Slowdown {
        /// No slowdown, whatever the environment holds.
        ///
        /// # Errors
        /// None in this build.
        pub fn from_environment() -> Result<Self> {
            Ok(Self {})
        }

        /// 0.
        #[must_use]
        pub fn share(self) -> f64 {
            0.0
        }

        /// Refuses nothing.
        ///
        /// # Errors
        /// None in this build.
        pub fn check_save(self) -> Result<()> {
            Ok(())
        }

        pub(in crate::bench) fn stretch(
            self,
            _start: Instant,
            parts: [Duration; 2],
        ) -> [Duration; 2] {
            parts
        }
    }
}
