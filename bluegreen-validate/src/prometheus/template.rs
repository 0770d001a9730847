//! Queries with places to be filled.

use std::collections::BTreeSet;

/// The longest query in bytes.
pub(super) const LONGEST: usize = 8 * 1024;

/// A query with places like `$namespace` or `${namespace}`. What follows `$` in any other way is
/// left alone, because regular expressions end in `$`; `$$` is one `$`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    /// A place, and whether what comes there stands in a regular expression.
    Place(String, bool),
}

impl Template {
    /// Reads a query.
    ///
    /// # Errors
    /// All places that make no sense, each with why not.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<String>> {
        let (mut pieces, mut wrong) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            pieces.push(Piece::Text(before.to_owned()));
            let after = &from[1..];
            rest = if let Some(more) = after.strip_prefix('$') {
                pieces.push(Piece::Text("$".to_owned()));
                more
            } else if let Some(inside) = after.strip_prefix('{') {
                let Some((inside, more)) = inside.split_once('}') else {
                    wrong.push("`${` without `}`".to_owned());
                    break;
                };
                match inside.split_once(':') {
                    None if is_name(inside) => pieces.push(Piece::Place(inside.to_owned(), false)),
                    Some((name, "regex")) if is_name(name) => {
                        pieces.push(Piece::Place(name.to_owned(), true));
                    }
                    _ => wrong.push(format!("`${{{inside}}}`")),
                }
                more
            } else {
                let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
                let (name, more) = after.split_at(end);
                pieces.push(if is_name(name) {
                    Piece::Place(name.to_owned(), false)
                } else {
                    Piece::Text(format!("${name}"))
                });
                more
            };
        }
        pieces.push(Piece::Text(rest.to_owned()));
        if wrong.is_empty() { Ok(Self(pieces)) } else { Err(wrong) }
    }

    /// The names of all places.
    pub(super) fn places(&self) -> BTreeSet<&str> {
        let name = |piece| match piece {
            &Piece::Text(_) => None,
            Piece::Place(name, _) => Some(name.as_str()),
        };
        self.0.iter().filter_map(name).collect()
    }

    /// The query. A place that `value` does not know is left empty: that there is none is seen to
    /// beforehand.
    pub(super) fn fill(&self, value: impl Fn(&str) -> Option<String>) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Place(name, false) => text.push_str(&value(name).unwrap_or_default()),
                Piece::Place(name, true) => escape(&value(name).unwrap_or_default(), &mut text),
            }
        }
        text
    }
}

/// Whether something may be the name of a place.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && text.chars().all(is_part)
}

fn is_part(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// Writes a value so that a regular expression in a quoted text means just this value.
fn escape(value: &str, text: &mut String) {
    for c in value.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '/' | ':' | '@' | ' ') {
            text.push_str("\\\\");
        }
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str) -> String {
        Template::parse(text).unwrap().fill(|name| match name {
            "slot" => Some("blue".to_owned()),
            "namespace" => Some("a.i".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn places_are_filled_and_nothing_else() {
        assert_eq!(
            fill(r#"x{a="$slot",b="agent-${slot}s"}[5m]"#),
            r#"x{a="blue",b="agent-blues"}[5m]"#
        );
        assert_eq!(
            fill(r#"x{a=~"5..$",b=~"(a$|b)$$",c="$5"}"#),
            r#"x{a=~"5..$",b=~"(a$|b)$",c="$5"}"#
        );
        assert_eq!(
            fill(r#"x{a=~"${namespace:regex}/.*",b="$namespace"}"#),
            r#"x{a=~"a\\.i/.*",b="a.i"}"#
        );
        assert_eq!(fill("$"), "$");
    }

    #[test]
    fn places_are_known_by_name() {
        let template = Template::parse("$a ${b:regex} $a $C $$d").unwrap();
        assert_eq!(template.places().into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn all_that_makes_no_sense_is_told() {
        let wrong = Template::parse("${A} ${slot:upper} ${slot").unwrap_err();
        assert_eq!(wrong, ["`${A}`", "`${slot:upper}`", "`${` without `}`"]);
    }
}
