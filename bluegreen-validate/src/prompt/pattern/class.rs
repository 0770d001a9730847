//! Classes: `[a-z\d_-]`.

use std::iter::Peekable;
use std::str::Chars;

use super::translate::{BLANKS, is_control, letter, literal};

/// What stands in a class.
enum Atom {
    One(char),
    /// Several letters, as the engine says them within a class.
    Several(String),
}

impl Atom {
    fn write(&self, out: &mut String) {
        match self {
            Self::One(letter) => literal(*letter, out),
            Self::Several(set) => out.push_str(set),
        }
    }
}

/// Translates a class, whose `[` has been read; whether that takes look-around.
pub(super) fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<bool, String> {
    let not = rest.next_if_eq(&'^').is_some();
    if rest.next_if_eq(&']').is_some() {
        // Nothing at all, or anything at all.
        out.push_str(if not { r"(?s:.)" } else { r"(?!)" });
        return Ok(!not);
    }
    out.push_str(if not { "[^" } else { "[" });
    loop {
        let first = atom(rest)?;
        let Some(first) = first else { break };
        let mut ahead = rest.clone();
        // A `-` that is the last stands for itself.
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']')) {
            first.write(out);
            continue;
        }
        rest.next();
        let Some(last) = atom(rest)? else { break };
        match (&first, &last) {
            (Atom::One(low), Atom::One(high)) if low > high => {
                return Err(format!("the range `{low}-{high}`, which is out of order"));
            }
            (Atom::One(_), Atom::One(_)) => {
                first.write(out);
                out.push('-');
                last.write(out);
            }
            // From several letters on there is no range, so that the `-` stands for itself.
            _ => {
                first.write(out);
                out.push_str(r"\-");
                last.write(out);
            }
        }
    }
    out.push(']');
    Ok(false)
}

/// The next of a class, or none at its end.
fn atom(rest: &mut Peekable<Chars<'_>>) -> Result<Option<Atom>, String> {
    let several = |set: &str| Atom::Several(set.to_owned());
    Ok(Some(match rest.next() {
        None => return Err("a class without its `]`".to_owned()),
        Some(']') => return Ok(None),
        Some('\\') => match rest.next() {
            None => return Err("a pattern that ends with a backslash".to_owned()),
            Some('d') => several("0-9"),
            Some('w') => several("A-Za-z0-9_"),
            Some('s') => several(BLANKS),
            Some('D') => several("[^0-9]"),
            Some('W') => several("[^A-Za-z0-9_]"),
            Some('S') => Atom::Several(format!("[^{BLANKS}]")),
            Some('c') if !is_control(rest) => several(r"\\c"),
            Some('b') => Atom::One('\u{8}'),
            Some(symbol) => Atom::One(letter(symbol, rest, true)?),
        },
        Some(symbol) => Atom::One(symbol),
    }))
}
