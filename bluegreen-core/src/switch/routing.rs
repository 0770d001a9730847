//! Who gets traffic.

use std::fmt;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use super::Pin;
use crate::Color;

/// A share of traffic in whole parts per million.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Share(u32);

impl Share {
    /// No traffic.
    pub const NONE: Self = Self(0);
    /// All traffic.
    pub const ALL: Self = Self(1_000_000);

    /// So many parts of a million; more than a million is all. A plan says so as a problem
    /// before it comes to that.
    pub const fn parts_per_million(parts: u32) -> Self {
        Self(parts)
    }

    /// So many percent.
    pub const fn percent(percent: u32) -> Self {
        Self(percent.saturating_mul(10_000))
    }

    /// Parts of a million.
    pub const fn as_parts_per_million(self) -> u32 {
        self.0
    }

    /// Whether it is a share at all.
    pub const fn is_valid(self) -> bool {
        self.0 <= Self::ALL.0
    }

    /// What is left of everything.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self(Self::ALL.0.saturating_sub(self.0))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", f64::from(self.0) / 10_000.0)
    }
}

/// Who gets traffic: the live slot, with a share of it for the candidate.
///
/// ```
/// use bluegreen_core::{Color, Routing, Share};
///
/// let canary = Routing::all(Color::Blue).with_candidate(Share::percent(5));
/// assert_eq!(canary.share_of(Color::Green), Share::percent(5));
/// assert_eq!(canary.to_string(), "blue 95 %, green 5 %");
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Routing {
    /// The slot that has the traffic that the candidate does not have.
    pub live: Color,
    /// The candidate's share, less than all: with all of it, it is `live`.
    #[serde(default)]
    pub candidate: Share,
    /// Requests that choose their slot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Pin>,
    /// A copy of live's traffic for the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
}

/// A copy of traffic whose answers are thrown away.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Mirror {
    /// How much of live's traffic is copied.
    pub share: Share,
}

impl Mirror {
    /// Copies this share of live's traffic.
    pub fn new(share: Share) -> Self {
        Self { share }
    }
}

impl Routing {
    /// All traffic to one slot.
    pub fn all(color: Color) -> Self {
        Self { live: color, candidate: Share::NONE, pins: Vec::new(), mirror: None }
    }

    /// The same with a share for the candidate. With all of it, the candidate is live.
    #[must_use]
    pub fn with_candidate(mut self, share: Share) -> Self {
        if share >= Share::ALL {
            self.live = self.live.other();
            self.candidate = Share::NONE;
        } else {
            self.candidate = share;
        }
        self
    }

    /// The share of one slot.
    pub fn share_of(&self, color: Color) -> Share {
        if color == self.live { self.candidate.rest() } else { self.candidate }
    }

    /// Whether any request goes to this slot: by share, or by its pin.
    pub fn reaches(&self, color: Color) -> bool {
        self.share_of(color) > Share::NONE || self.pins.iter().any(|pin| pin.color() == color)
    }

    /// The slot that a request with these headers has chosen, if one of the pins is its: the first of them.
    /// What no pin chooses goes by the shares, as [`Assignment`](crate::Assignment) says.
    pub fn pinned(&self, headers: &HeaderMap) -> Option<Color> {
        self.pins.iter().find(|pin| pin.matches(headers)).map(Pin::color)
    }

    /// Whether one slot has all traffic.
    pub fn is_whole(&self) -> bool {
        self.candidate == Share::NONE
    }
}

impl fmt::Display for Routing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.live, self.share_of(self.live))?;
        if !self.is_whole() {
            write!(f, ", {} {}", self.live.other(), self.candidate)?;
        }
        if !self.pins.is_empty() {
            write!(f, ", {} pins", self.pins.len())?;
        }
        if let Some(mirror) = &self.mirror {
            write!(f, ", {} mirrored", mirror.share)?;
        }
        Ok(())
    }
}
