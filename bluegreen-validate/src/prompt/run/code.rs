//! An attempt in two bytes.

use crate::paired::Attempt;

/// What an attempt came to, with its score to four digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Code(u16);

/// The steps of a score; more stands for none.
const STEPS: u16 = 10_000;
const NO_SCORE: u16 = (1 << 14) - 1;
const PASSED: u16 = 0;
const FAILED: u16 = 1;
/// All that is wrong with it is that the other slot's answer was preferred.
const BEATEN: u16 = 2;
const OTHER: u16 = 3;

impl Code {
    /// It was not made.
    pub(super) const NOT_RUN: Self = Self(OTHER << 14 | 1);
    const ERROR: Self = Self(OTHER << 14);

    pub(super) fn of(attempt: Attempt) -> Self {
        let of = |kind: u16, score: Option<f64>| match score {
            None => Self(kind << 14 | NO_SCORE),
            // A score that is no number is neither a pass nor a fail.
            Some(score) if !score.is_finite() => Self::ERROR,
            Some(score) => {
                let steps = (score.clamp(0.0, 1.0) * f64::from(STEPS)).round();
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "it is from 0 to 10,000"
                )]
                Self(kind << 14 | steps as u16)
            }
        };
        match attempt {
            Attempt::Passed { score } => of(PASSED, score),
            Attempt::Failed { score, beaten: false } => of(FAILED, score),
            Attempt::Failed { score, beaten: true } => of(BEATEN, score),
            Attempt::Error => Self::ERROR,
        }
    }

    /// The attempt; `None` if none was made.
    pub(super) fn attempt(self) -> Option<Attempt> {
        let (kind, steps) = (self.0 >> 14, self.0 & NO_SCORE);
        let score = (steps <= STEPS).then(|| f64::from(steps) / f64::from(STEPS));
        match kind {
            PASSED => Some(Attempt::Passed { score }),
            FAILED => Some(Attempt::Failed { score, beaten: false }),
            BEATEN => Some(Attempt::Failed { score, beaten: true }),
            _ if self == Self::NOT_RUN => None,
            _ => Some(Attempt::Error),
        }
    }

    pub(super) fn bits(self) -> u16 {
        self.0
    }

    pub(super) fn from_bits(bits: u16) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_the_same_when_it_is_read_again() {
        for score in [None, Some(0.0), Some(0.25), Some(0.3333), Some(1.0)] {
            for attempt in [
                Attempt::Passed { score },
                Attempt::Failed { score, beaten: false },
                Attempt::Failed { score, beaten: true },
                Attempt::Error,
            ] {
                let code = Code::of(attempt);
                assert_eq!(code.attempt(), Some(attempt));
                assert_eq!(Code::from_bits(code.bits()), code);
            }
        }
        assert_eq!(Code::NOT_RUN.attempt(), None);
        let bad = Attempt::Passed { score: Some(f64::NAN) };
        assert_eq!(Code::of(bad).attempt(), Some(Attempt::Error));
        let rounded = Code::of(Attempt::Passed { score: Some(2.0 / 3.0) });
        assert_eq!(rounded.attempt(), Some(Attempt::Passed { score: Some(0.6667) }));
    }

    #[test]
    fn it_takes_two_bytes() {
        assert_eq!(size_of::<[Code; 2]>(), 4);
    }
}
