//! Metrics as text: Prometheus' exposition format and `OpenMetrics`.
//!
//! Both at once and strictly, as Prometheus itself does: one line that makes no sense spoils the
//! whole, because nobody knows what else is wrong with it. What comes from an agent is not
//! trusted: nothing here grows beyond the text itself.

use std::borrow::Cow;
use std::fmt;

/// The last line of `OpenMetrics`.
const END: &str = "# EOF";

/// One value of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) labels: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) value: f64,
}

impl Sample<'_> {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }
}

/// A line that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Malformed {
    /// From 1.
    line: usize,
    why: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the metrics: {}", self.line, self.why)
    }
}

impl std::error::Error for Malformed {}

/// The samples of a text in order. After a line that makes no sense there are no more.
pub(crate) fn samples(text: &str) -> impl Iterator<Item = Result<Sample<'_>, Malformed>> {
    let mut lines = text.lines().enumerate();
    let (mut ended, mut spoiled) = (false, false);
    std::iter::from_fn(move || {
        while !spoiled {
            let (number, line) = lines.next()?;
            let line = line.trim_matches([' ', '\t']);
            if line.is_empty() {
                continue;
            }
            let found = if ended {
                Err("it comes after the end")
            } else if line.starts_with('#') {
                ended = line == END;
                continue;
            } else {
                sample(line)
            };
            spoiled = found.is_err();
            return Some(found.map_err(|why| Malformed { line: number + 1, why }));
        }
        None
    })
}

/// Whether a text of `OpenMetrics` is all there.
pub(crate) fn is_whole(text: &str) -> bool {
    text.trim_end().rsplit('\n').next().is_some_and(|line| line.trim_end() == END)
}

type Part<T> = Result<T, &'static str>;

fn sample(line: &str) -> Part<Sample<'_>> {
    let (name, mut rest) = word(line);
    let mut name = Cow::Borrowed(name);
    let mut labels = Vec::new();
    rest = rest.trim_start_matches([' ', '\t']);
    if let Some(inside) = rest.strip_prefix('{') {
        let (quoted, found, after) = braces(inside)?;
        labels = found;
        rest = after;
        match quoted {
            Some(quoted) if name.is_empty() => name = quoted,
            Some(_) => return Err("it has two names"),
            None => {}
        }
    }
    if name.is_empty() {
        return Err("it has no name");
    }
    let mut rest = rest.split([' ', '\t']).filter(|it| !it.is_empty());
    let value = rest.next().ok_or("it has no value")?;
    let value = value.parse().map_err(|_| "its value is no number")?;
    // Then perhaps when that was, and perhaps an example.
    if let Some(next) = rest.next()
        && !next.starts_with('#')
    {
        next.parse::<f64>().map_err(|_| "its time is no number")?;
        if rest.next().is_some_and(|next| !next.starts_with('#')) {
            return Err("there is more than a value and a time");
        }
    }
    Ok(Sample { name, labels, value })
}

/// The name at the beginning, and the rest.
fn word(text: &str) -> (&str, &str) {
    let is_part = |at: usize, c: char| {
        c.is_ascii_alphabetic() || matches!(c, '_' | ':') || (at > 0 && c.is_ascii_digit())
    };
    let end = text.char_indices().find(|(at, c)| !is_part(*at, *c));
    text.split_at(end.map_or(text.len(), |(at, _)| at))
}

type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What is in braces: a quoted name of the metric if there is one, its labels, and the rest.
fn braces(mut text: &str) -> Part<(Option<Cow<'_, str>>, Labels<'_>, &str)> {
    let (mut name, mut labels) = (None, Vec::new());
    loop {
        text = text.trim_start_matches([' ', '\t']);
        if let Some(rest) = text.strip_prefix('}') {
            return Ok((name, labels, rest));
        }
        let (key, rest) = if text.starts_with('"') {
            quoted(text)?
        } else {
            let (key, rest) = word(text);
            (Cow::Borrowed(key), rest)
        };
        let is_quoted = text.starts_with('"');
        let rest = rest.trim_start_matches([' ', '\t']);
        text = if let Some(rest) = rest.strip_prefix('=') {
            if key.is_empty() {
                return Err("a label has no name");
            }
            let (value, rest) = quoted(rest.trim_start_matches([' ', '\t']))?;
            labels.push((key, value));
            rest
        } else if is_quoted && name.is_none() {
            name = Some(key);
            rest
        } else {
            return Err("a label has no value");
        };
        text = text.trim_start_matches([' ', '\t']);
        match text.strip_prefix(',') {
            Some(rest) => text = rest,
            None if text.starts_with('}') => {}
            None => return Err("its labels do not end"),
        }
    }
}

/// A text in quotes, and the rest.
fn quoted(text: &str) -> Part<(Cow<'_, str>, &str)> {
    let inside = text.strip_prefix('"').ok_or("a label's value is not quoted")?;
    let end = inside.find(['"', '\\']).ok_or("a quoted text does not end")?;
    if inside[end..].starts_with('"') {
        return Ok((Cow::Borrowed(&inside[..end]), &inside[end + 1..]));
    }
    let mut value = inside[..end].to_owned();
    let mut characters = inside[end..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((Cow::Owned(value), &inside[end + at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                // As Prometheus does, what is no escape is taken as it is.
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            other => value.push(other),
        }
    }
    Err("a quoted text does not end")
}

#[cfg(test)]
mod tests;
