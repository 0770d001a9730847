//! The annotations of a canary Ingress, as ingress-nginx reads them.

use std::collections::BTreeMap;

use bluegreen_core::{Color, Pin, Routing, Share};

use crate::ingress::canary::PREFIX;
use crate::printable::quoted;

/// The annotations that we write, without their [`PREFIX`].
const WEIGHT: &str = "canary-weight";
pub(super) const TOTAL: &str = "canary-weight-total";
const HEADER: &str = "canary-by-header";
const VALUE: &str = "canary-by-header-value";
const COOKIE: &str = "canary-by-cookie";
/// The one that we do not write, and that would get requests past us.
const PATTERN: &str = "canary-by-header-pattern";
/// All of them.
pub(super) const OURS: [&str; 5] = [WEIGHT, TOTAL, HEADER, VALUE, COOKIE];

/// The values by which a header without a value of its own, or a cookie, chooses.
const ALWAYS: &str = "always";
const NEVER: &str = "never";

/// Totals up to this are taken for this.
const LEAST_TOTAL: u64 = 100;

/// The key of an annotation.
pub(super) fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// A total that nginx does not take.
pub(super) fn small_total(annotations: &BTreeMap<String, String>) -> Option<String> {
    let text = annotations.get(&key(TOTAL))?;
    let is_small = text.parse::<u64>().is_ok_and(|total| total < LEAST_TOTAL);
    is_small.then(|| format!("{TOTAL} {}", quoted(text)))
}

/// The annotations that make an Ingress a canary, or say for what, that an Ingress has.
pub(super) fn of_canaries(annotations: &BTreeMap<String, String>) -> Vec<&str> {
    let all = annotations.keys().filter_map(|key| key.strip_prefix(PREFIX));
    all.filter(|name| name.starts_with("canary")).collect()
}

/// Which requests a canary gets in place of the primary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Asked {
    pub(super) weight: Share,
    /// A header, and the value of it that leads to the canary; without one it is `always`, and
    /// `never` leads to the primary.
    header: Option<(String, Option<String>)>,
    /// A cookie: `always` leads to the canary, and `never` to the primary.
    cookie: Option<String>,
}

impl Asked {
    /// No request at all.
    pub(super) fn nothing() -> Self {
        Self { weight: Share::NONE, header: None, cookie: None }
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::nothing()
    }

    /// What a canary has to be asked for to make a routing.
    ///
    /// # Errors
    /// What it has no annotation for, in words.
    pub(super) fn of(routing: &Routing) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let (mut headers, mut cookies) = (Vec::new(), Vec::new());
        for pin in &routing.pins {
            let is_candidate = pin.color() != routing.live;
            match pin {
                Pin::Header { name, value, .. } => headers.push((name, value, is_candidate)),
                Pin::Cookie { name, value, .. } => cookies.push((name, value, is_candidate)),
                _ => problems.push("a pin that this switch does not know".to_owned()),
            }
        }
        headers.sort_by_key(|(_, _, is_candidate)| !is_candidate);
        cookies.sort_by_key(|(_, _, is_candidate)| !is_candidate);
        let header = match headers[..] {
            [] => None,
            [(name, value, true)] => Some((name.clone(), Some(value.clone()))),
            [(name, yes, true), (same, no, false)]
                if name == same && yes == ALWAYS && no == NEVER =>
            {
                Some((name.clone(), None))
            }
            _ => {
                let found = headers.iter().map(|(name, value, _)| format!("{name}: {value}"));
                let found = found.collect::<Vec<_>>().join(", ");
                problems.push(format!(
                    "pins by header {}: a canary has one header with one value for the candidate, \
                     or with {ALWAYS} for it and {NEVER} for live",
                    quoted(&found)
                ));
                None
            }
        };
        let cookie = match cookies[..] {
            [] => None,
            [(name, yes, true)] if yes == ALWAYS => Some(name.clone()),
            [(name, yes, true), (same, no, false)]
                if name == same && yes == ALWAYS && no == NEVER =>
            {
                Some(name.clone())
            }
            _ => {
                let found = cookies.iter().map(|(name, value, _)| format!("{name}={value}"));
                let found = found.collect::<Vec<_>>().join(", ");
                problems.push(format!(
                    "pins by cookie {}: a canary has one cookie with {ALWAYS} for the candidate \
                     and {NEVER} for live",
                    quoted(&found)
                ));
                None
            }
        };
        let asked = Self { weight: routing.candidate, header, cookie };
        problems.extend(asked.unwritable());
        if problems.is_empty() { Ok(asked) } else { Err(problems) }
    }

    /// Names and values that are none for HTTP, or that nginx does not take.
    fn unwritable(&self) -> Option<String> {
        let is_name = |text: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            !text.is_empty() && text.len() <= 256 && text.chars().all(is_plain)
        };
        // ingress-nginx drops any other value, and then it is `always` that leads to the canary.
        let is_value = |text: &str| {
            let is_basic = |c: char| c.is_ascii_alphanumeric() || "-._~/:".contains(c);
            !text.is_empty() && text.len() <= 1024 && text.chars().all(is_basic)
        };
        let (header, value) = match &self.header {
            Some((header, value)) => (Some(header), value.as_ref()),
            None => (None, None),
        };
        let names = header.into_iter().chain(&self.cookie);
        let bad = names.filter(|it| !is_name(it)).chain(value.filter(|it| !is_value(it)));
        let bad: Vec<String> = bad.map(|text| quoted(text)).collect();
        (!bad.is_empty()).then(|| {
            format!("a pin with {}, which is no name or value that nginx takes", bad.join(", "))
        })
    }

    /// Reads annotations.
    ///
    /// # Errors
    /// What else was found, in words.
    pub(super) fn read(annotations: &BTreeMap<String, String>) -> Result<Self, String> {
        let text = |name: &str| annotations.get(&key(name)).filter(|text| !text.is_empty());
        let number = |name: &str, otherwise: u64| match text(name) {
            None => Ok(otherwise),
            Some(found) => found
                .parse::<u64>()
                .map_err(|_| format!("{name} {}, which is no whole number", quoted(found))),
        };
        if text(PATTERN).is_some() {
            return Err(format!("{PATTERN}, which no release has written"));
        }
        let (weight, total) = (number(WEIGHT, 0)?, number(TOTAL, LEAST_TOTAL)?.max(LEAST_TOTAL));
        if weight > 0 && weight >= total {
            return Err(format!("{WEIGHT} {weight} of {total}, which leaves the primary nothing"));
        }
        let parts = u128::from(weight) * 1_000_000 / u128::from(total);
        if weight > 0 && parts == 0 {
            // Read as nothing, its Service could be moved under requests.
            return Err(format!("{WEIGHT} {weight} of {total}, less than a millionth"));
        }
        let weight = Share::parts_per_million(u32::try_from(parts).unwrap_or(u32::MAX));
        let header = text(HEADER).map(|name| (name.clone(), text(VALUE).cloned()));
        Ok(Self { weight, header, cookie: text(COOKIE).cloned() })
    }

    /// The value that each of [our](OURS) annotations has to have, if it is to be there. The weight
    /// is in parts of a million: a whole number, since nginx reads any other as zero.
    pub(super) fn marks(&self) -> [(&'static str, Option<String>); 5] {
        let (header, value) = match &self.header {
            Some((header, value)) => (Some(header.clone()), value.clone()),
            None => (None, None),
        };
        [
            (WEIGHT, Some(self.weight.as_parts_per_million().to_string())),
            (TOTAL, Some(Share::ALL.as_parts_per_million().to_string())),
            (HEADER, header),
            (VALUE, value),
            (COOKIE, self.cookie.clone()),
        ]
    }

    /// The pins that make it.
    pub(super) fn pins(&self, live: Color) -> Vec<Pin> {
        let mut pins = Vec::new();
        let candidate = live.other();
        if let Some((name, value)) = &self.header {
            let pin = |value: &str, color| Pin::Header {
                name: name.clone(),
                value: value.to_owned(),
                color,
            };
            pins.push(pin(value.as_deref().unwrap_or(ALWAYS), candidate));
            if value.is_none() {
                pins.push(pin(NEVER, live));
            }
        }
        if let Some(name) = &self.cookie {
            let pin = |value: &str, color| Pin::Cookie {
                name: name.clone(),
                value: value.to_owned(),
                color,
            };
            pins.extend([pin(ALWAYS, candidate), pin(NEVER, live)]);
        }
        pins
    }

    /// The same as a routing whose primary is `live`. Pins that say the same in other words are
    /// those of `last`, the last routing that was asked for.
    pub(super) fn routing(&self, live: Color, last: Option<&Routing>) -> Routing {
        let mut routing = Routing::all(live).with_candidate(self.weight);
        routing.pins = self.pins(live);
        match last {
            Some(last) if last.live == live && Self::of(last).is_ok_and(|it| it == *self) => {
                last.clone()
            }
            _ => routing,
        }
    }
}

#[cfg(test)]
mod tests {
    use bluegreen_core::Color::{Blue, Green};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Asked, String> {
        let all = pairs.iter().map(|(name, value)| (key(name), (*value).to_owned())).collect();
        Asked::read(&all)
    }

    fn header(name: &str, value: &str, color: Color) -> Pin {
        Pin::Header { name: name.to_owned(), value: value.to_owned(), color }
    }

    fn cookie(name: &str, value: &str, color: Color) -> Pin {
        Pin::Cookie { name: name.to_owned(), value: value.to_owned(), color }
    }

    #[test]
    fn a_weight_is_read_as_nginx_does() {
        let weight = |pairs: &[(&str, &str)]| read(pairs).unwrap().weight.as_parts_per_million();
        assert_eq!(weight(&[]), 0);
        assert_eq!(weight(&[(WEIGHT, "5")]), 50_000);
        assert_eq!(weight(&[(WEIGHT, "5"), (TOTAL, "1000")]), 5_000);
        // A total of no more than a hundred is passed over.
        assert_eq!(weight(&[(WEIGHT, "5"), (TOTAL, "10")]), 50_000);
        for bad in ["-1", "5.5", "five", "100", "99999999999999999999"] {
            assert!(read(&[(WEIGHT, bad)]).is_err(), "{bad}");
        }
        assert!(read(&[(PATTERN, "a.*")]).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut routings = vec![Routing::all(Blue).with_candidate(Share::parts_per_million(1))];
        for pins in [
            vec![header("x-slot", "green", Green)],
            vec![header("x-slot", "always", Green), header("x-slot", "never", Blue)],
            vec![cookie("slot", "never", Blue), cookie("slot", "always", Green)],
            vec![header("x-slot", "a", Green), cookie("slot", "always", Green)],
        ] {
            let mut routing = Routing::all(Blue).with_candidate(Share::percent(7));
            routing.pins = pins;
            routings.push(routing);
        }
        for routing in routings {
            let asked = Asked::of(&routing).unwrap();
            let marks = asked.marks();
            let marks: Vec<(&str, &str)> =
                marks.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))).collect();
            assert_eq!(read(&marks).as_ref(), Ok(&asked));
            assert_eq!(asked.routing(Blue, Some(&routing)), routing);
            let by_itself = asked.routing(Blue, None);
            assert_eq!(Asked::of(&by_itself).as_ref(), Ok(&asked));
        }
    }

    #[test]
    fn pins_that_a_canary_cannot_make_are_told_in_words() {
        for pins in [
            vec![header("x-slot", "blue", Blue)],
            vec![header("x-slot", "green", Green), header("x-slot", "blue", Blue)],
            vec![header("x-a", "always", Green), header("x-b", "never", Blue)],
            vec![header("x-a", "1", Green), header("x-a", "2", Green)],
            vec![cookie("slot", "green", Green)],
            vec![cookie("slot", "never", Blue)],
            vec![header("x slot", "1", Green)],
            vec![header("x-slot", "a\nb", Green)],
            // ingress-nginx would drop these values.
            vec![header("x-slot", "team=a", Green)],
            vec![header("x-slot", "new*", Green)],
            vec![header("x-slot", "a,b", Green)],
            vec![header("x-slot", "", Green)],
        ] {
            let mut routing = Routing::all(Blue);
            routing.pins.clone_from(&pins);
            let problems = Asked::of(&routing).unwrap_err();
            assert_eq!(problems.len(), 1, "{pins:?}: {problems:?}");
            assert!(!problems[0].contains('\n'), "{problems:?}");
        }
    }
}
