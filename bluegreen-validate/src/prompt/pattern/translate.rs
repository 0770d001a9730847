//! From ECMAScript's words for patterns to those of the engines.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use super::class::class;

/// What `\s` is in ECMAScript.
pub(super) const BLANKS: &str = r"\t\n\x0B\x0C\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";
/// What `.` is not.
const ENDS: &str = r"\n\r\u{2028}\u{2029}";
/// A boundary of words of ASCII letters, digits and `_`.
const BOUNDARY: &str = "(?:(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])(?=[A-Za-z0-9_]))";

/// In which texts words end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Words {
    /// In any, which takes look-around: the engine's own words have letters of all languages.
    Any,
    /// In texts of ASCII alone, where the engine's own words are the same.
    Ascii,
}

/// A pattern in an engine's words.
#[derive(Debug, Default)]
pub(super) struct Translation {
    pub(super) text: String,
    /// Whether it has look-around or backreferences of its own.
    pub(super) looks: bool,
    /// Whether it asks where words end.
    pub(super) bounds: bool,
}

/// The pattern in the other engine's words.
pub(super) fn translated(pattern: &str, words: Words) -> Result<Translation, String> {
    let mut all = Translation::default();
    let mut rest = pattern.chars().peekable();
    let mut repeats = false;
    // The last letter was written as two halves.
    let mut halves = false;
    while let Some(symbol) = rest.next() {
        let is_quantifier = match symbol {
            '*' | '+' | '?' => true,
            '{' => quantifier(&rest).is_some(),
            _ => false,
        };
        // The other engine takes `a++` and `a{2}{3}`, which mean something else there or nothing.
        if is_quantifier && repeats {
            return Err(format!("`{pattern}`: nothing to repeat before `{symbol}`"));
        }
        if is_quantifier && halves {
            return Err(format!("`{pattern}`: `{symbol}` would repeat half of a letter"));
        }
        repeats = is_quantifier;
        halves = false;
        let out = &mut all.text;
        match symbol {
            '\\' => halves = escape(&mut rest, &mut all, words)?,
            '[' => all.looks |= class(&mut rest, out)?,
            // Writing to a String cannot fail, here and below.
            '.' => _ = write!(out, "[^{ENDS}]"),
            '$' => out.push_str(r"\z"),
            '^' => out.push_str(r"\A"),
            '{' => match quantifier(&rest) {
                Some(length) => {
                    out.push('{');
                    out.extend(rest.by_ref().take(length));
                    out.extend(rest.next_if_eq(&'?'));
                }
                None => out.push_str(r"\{"),
            },
            '*' | '+' | '?' => {
                out.push(symbol);
                out.extend(rest.next_if_eq(&'?'));
            }
            '}' => out.push_str(r"\}"),
            ']' => out.push_str(r"\]"),
            '(' if rest.peek() == Some(&'?') => {
                let mut ahead = rest.clone();
                ahead.next();
                let kind = ahead.next();
                all.looks |= match (kind, ahead.peek()) {
                    (Some('=' | '!'), _) | (Some('<'), Some('=' | '!')) => true,
                    (Some(':' | '<'), _) => false,
                    (other, _) => {
                        let found = other.map(String::from).unwrap_or_default();
                        return Err(format!("`{pattern}`: ECMAScript has no group `(?{found}`"));
                    }
                };
                out.push_str("(?");
                rest.next();
            }
            '#' | '&' | '~' | '-' => {
                out.push('\\');
                out.push(symbol);
            }
            plain => out.push(plain),
        }
    }
    Ok(all)
}

/// The length of what is left of a quantifier after its `{`.
fn quantifier(rest: &Peekable<Chars<'_>>) -> Option<usize> {
    let text: String = rest.clone().take_while(|c| *c != '}').take(24).collect();
    let (low, high) = text.split_once(',').unwrap_or((&text, ""));
    let is_number = |it: &str| it.chars().all(|c| c.is_ascii_digit());
    let closed = rest.clone().nth(text.chars().count()) == Some('}');
    (closed && !low.is_empty() && is_number(low) && is_number(high)).then(|| text.len() + 1)
}

/// What comes after a backslash outside of classes; whether it is one letter in two halves.
fn escape(
    rest: &mut Peekable<Chars<'_>>,
    all: &mut Translation,
    words: Words,
) -> Result<bool, String> {
    let symbol = rest.next().ok_or("a pattern that ends with a backslash")?;
    let out = &mut all.text;
    match symbol {
        'd' => out.push_str("[0-9]"),
        'w' => out.push_str("[A-Za-z0-9_]"),
        's' => _ = write!(out, "[{BLANKS}]"),
        'D' => out.push_str("[^0-9]"),
        'W' => out.push_str("[^A-Za-z0-9_]"),
        'S' => _ = write!(out, "[^{BLANKS}]"),
        'b' | 'B' => {
            all.bounds = true;
            match (symbol, words) {
                ('b', Words::Any) => out.push_str(BOUNDARY),
                (_, Words::Any) => _ = write!(out, "(?!{BOUNDARY})"),
                (_, Words::Ascii) => _ = write!(out, r"\{symbol}"),
            }
        }
        '1'..='9' => {
            all.looks = true;
            out.push('\\');
            out.push(symbol);
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                out.push(digit);
            }
        }
        'k' if rest.peek() == Some(&'<') => {
            all.looks = true;
            out.push_str(r"\k");
        }
        'c' if !is_control(rest) => out.push_str(r"\\c"),
        other => {
            let letter = letter(other, rest, false)?;
            literal(letter, out);
            return Ok(letter > '\u{ffff}' && other == 'u');
        }
    }
    Ok(false)
}

/// Whether a letter follows `\c`. Otherwise the backslash stands for itself.
pub(super) fn is_control(rest: &mut Peekable<Chars<'_>>) -> bool {
    rest.peek().is_some_and(char::is_ascii_alphabetic)
}

/// The one letter that an escape stands for, whose first letter has been read.
pub(super) fn letter(
    symbol: char,
    rest: &mut Peekable<Chars<'_>>,
    in_class: bool,
) -> Result<char, String> {
    Ok(match symbol {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'f' => '\u{c}',
        'v' => '\u{b}',
        '0' => '\0',
        'x' => code(rest, 2).and_then(char::from_u32).unwrap_or('x'),
        'u' => match code(rest, 4) {
            Some(unit) => whole(unit, rest, in_class)?,
            None => 'u',
        },
        'c' => match rest.next_if(char::is_ascii_alphabetic) {
            Some(letter) => char::from_u32(letter as u32 % 32).unwrap_or(letter),
            None => 'c',
        },
        plain => plain,
    })
}

/// The letter that begins with a unit of UTF-16. In ECMAScript a pattern without flags is one of
/// units, of which letters beyond U+FFFF are two; texts here have whole letters only.
fn whole(unit: u32, rest: &mut Peekable<Chars<'_>>, in_class: bool) -> Result<char, String> {
    if let Some(letter) = char::from_u32(unit) {
        return Ok(letter);
    }
    let half = || format!(r"`\u{unit:04x}`, which is half of a letter");
    let mut ahead = rest.clone();
    let is_escape = ahead.next() == Some('\\') && ahead.next() == Some('u');
    let next = code(&mut ahead, 4).filter(|_| is_escape && !in_class).ok_or_else(half)?;
    let units = [unit, next].map(|unit| u16::try_from(unit).unwrap_or_default());
    match char::decode_utf16(units).next() {
        Some(Ok(letter)) if letter > '\u{ffff}' => {
            *rest = ahead;
            Ok(letter)
        }
        _ => Err(half()),
    }
}

/// The number that so many digits make, if they are there.
fn code(rest: &mut Peekable<Chars<'_>>, digits: usize) -> Option<u32> {
    let text: String = rest.clone().take(digits).take_while(char::is_ascii_hexdigit).collect();
    let number = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits)?;
    rest.by_ref().take(digits).for_each(drop);
    Some(number)
}

pub(super) fn literal(symbol: char, out: &mut String) {
    if symbol.is_ascii_punctuation() && symbol != '_' {
        out.push('\\');
        out.push(symbol);
    } else if symbol.is_control() {
        _ = write!(out, r"\x{{{:X}}}", symbol as u32);
    } else {
        out.push(symbol);
    }
}
