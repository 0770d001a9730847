//! What runs came to, as a text: few characters each, and fewer where many came to the same.

use std::fmt::Write;

use super::super::code::Code;
use crate::paired::Attempt;

/// Letters for what most attempts come to.
const SHORT: [(char, Attempt); 3] = [
    ('P', Attempt::Passed { score: Some(1.0) }),
    ('F', Attempt::Failed { score: Some(0.0), beaten: false }),
    ('B', Attempt::Failed { score: Some(0.0), beaten: true }),
];

/// Writes pairs in the order of their places, as many as `room` has characters for: how often, where it
/// is more than once, and then live and idle; `-` is what is not known.
pub(super) fn written(pairs: impl Iterator<Item = (usize, [Code; 2])>, room: usize) -> String {
    let mut text = String::new();
    let mut run: (usize, Option<[Code; 2]>) = (0, None);
    let mut next = 0;
    for (place, pair) in pairs {
        if place > next {
            end(&mut text, &mut run, None, place - next);
        }
        end(&mut text, &mut run, Some(pair), 1);
        next = place + 1;
        if text.len() > room {
            return text;
        }
    }
    end(&mut text, &mut run, None, 0);
    text
}

/// Adds so many to the run, and writes down the one before where they are others.
fn end(
    text: &mut String,
    run: &mut (usize, Option<[Code; 2]>),
    pair: Option<[Code; 2]>,
    times: usize,
) {
    if run.1 == pair && times > 0 {
        run.0 += times;
        return;
    }
    let (before, what) = std::mem::replace(run, (times, pair));
    if before == 0 {
        return;
    }
    // Writing to a String cannot fail.
    if before > 1 {
        let _ = write!(text, "{before}");
    }
    let Some(pair) = what else {
        text.push('-');
        return;
    };
    for code in pair {
        match SHORT.iter().find(|(_, attempt)| Code::of(*attempt) == code) {
            Some((letter, _)) => text.push(*letter),
            None => _ = write!(text, "x{:04x}", code.bits()),
        }
    }
}

/// Reads what [`written`] wrote, up to what is none of it: what is not known is run again.
pub(super) fn read(text: &str, most: usize) -> Vec<(usize, [Code; 2])> {
    let (mut found, mut place) = (Vec::new(), 0_usize);
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (times, after) = rest.split_at(digits);
        let times = if times.is_empty() { Some(1) } else { times.parse().ok() };
        let Some(times) = times.filter(|times: &usize| *times <= most.saturating_sub(place)) else {
            break;
        };
        if let Some(after) = after.strip_prefix('-') {
            (place, rest) = (place + times, after);
            continue;
        }
        let Some((live, after)) = code(after) else { break };
        let Some((idle, after)) = code(after) else { break };
        found.extend((place..place + times).map(|place| (place, [live, idle])));
        (place, rest) = (place + times, after);
    }
    found
}

fn code(text: &str) -> Option<(Code, &str)> {
    let letter = text.chars().next()?;
    if let Some((_, attempt)) = SHORT.iter().find(|(short, _)| *short == letter) {
        return Some((Code::of(*attempt), &text[1..]));
    }
    let bits = text.strip_prefix('x')?.get(..4)?;
    Some((Code::from_bits(u16::from_str_radix(bits, 16).ok()?), &text[5..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(live: Attempt, idle: Attempt) -> [Code; 2] {
        [Code::of(live), Code::of(idle)]
    }

    #[test]
    fn what_was_written_is_read_and_most_suites_take_few_characters() {
        let good = Attempt::Passed { score: Some(1.0) };
        let bad = Attempt::Failed { score: Some(0.0), beaten: false };
        let half = Attempt::Passed { score: Some(0.5) };
        let mut pairs: Vec<_> = (0..100_000).map(|place| (place, pair(good, good))).collect();
        pairs[7].1 = pair(good, bad);
        pairs[50_000].1 = pair(half, Attempt::Error);
        pairs.remove(60_000);
        pairs.truncate(99_000);
        let text = written(pairs.iter().copied(), 1_000);
        assert_eq!(text, "7PPPF49992PPx1388xc0009999PP-39000PP");
        assert_eq!(read(&text, 100_000), pairs);
        assert_eq!(read("", 10), []);
    }

    #[test]
    fn there_is_an_end_and_what_is_cut_off_is_not_known() {
        let pairs = (0..1_000).map(|place| {
            let score = Some(f64::from(u16::try_from(place).unwrap()) / 1e4);
            (place, pair(Attempt::Passed { score }, Attempt::Failed { score, beaten: true }))
        });
        let text = written(pairs.clone(), 500);
        assert!(text.len() < 520, "{}", text.len());
        let known = read(&text, 1_000);
        assert!(known.len() > 40 && pairs.clone().zip(&known).all(|(a, b)| a == *b));
        let torn = read(&text[..text.len() - 3], 1_000);
        assert_eq!(torn, known[..known.len() - 1]);
        for wrong in ["PPQ", "9999999999999999999999PP", "PPx12", "PPP", "1001PP", "ä"] {
            assert!(read(wrong, 1_000).len() <= 1, "{wrong}");
        }
    }
}
