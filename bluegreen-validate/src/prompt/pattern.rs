//! ECMAScript's regular expressions, on an engine whose backtracking is bounded.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use fancy_regex::{Regex, RegexBuilder};

/// How often the engine may go back before a match is given up.
const BACKTRACKS: usize = 1_000_000;
/// The longest pattern in bytes.
const LONGEST: usize = 16 * 1024;

/// What `\s` is in ECMAScript.
const BLANKS: &str = r"\t\n\x0B\x0C\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}";
/// What `.` is not.
const ENDS: &str = r"\n\r\u{2028}\u{2029}";

/// A pattern without flags, as `new RegExp(pattern)` makes one.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > LONGEST {
            return Err(format!("a pattern of {} bytes", pattern.len()));
        }
        let translated = translated(pattern)?;
        RegexBuilder::new(&translated)
            .backtrack_limit(BACKTRACKS)
            .build()
            .map(Self)
            .map_err(|error| format!("`{pattern}`: {error}"))
    }

    /// Whether it matches somewhere in `text`; an error when that can't be told in bounded time.
    pub(super) fn is_in(&self, text: &str) -> Result<bool, String> {
        self.0.is_match(text).map_err(|error| format!("the pattern took too long: {error}"))
    }
}

/// The pattern in the other engine's words.
fn translated(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars().peekable();
    let mut repeats = false;
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
        repeats = is_quantifier;
        match symbol {
            '\\' => escape(&mut rest, &mut out, false)?,
            '[' => class(&mut rest, &mut out)?,
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
                match ahead.next() {
                    Some(':' | '=' | '!' | '<') => {
                        out.push_str("(?");
                        rest.next();
                    }
                    other => {
                        let found = other.map(String::from).unwrap_or_default();
                        return Err(format!("`{pattern}`: ECMAScript has no group `(?{found}`"));
                    }
                }
            }
            '#' | '&' | '~' | '-' => {
                out.push('\\');
                out.push(symbol);
            }
            plain => out.push(plain),
        }
    }
    Ok(out)
}

/// The length of what is left of a quantifier after its `{`.
fn quantifier(rest: &Peekable<Chars<'_>>) -> Option<usize> {
    let text: String = rest.clone().take_while(|c| *c != '}').take(24).collect();
    let (low, high) = text.split_once(',').unwrap_or((&text, ""));
    let is_number = |it: &str| it.chars().all(|c| c.is_ascii_digit());
    let closed = rest.clone().nth(text.chars().count()) == Some('}');
    (closed && !low.is_empty() && is_number(low) && is_number(high)).then(|| text.len() + 1)
}

/// What comes after a backslash.
fn escape(rest: &mut Peekable<Chars<'_>>, out: &mut String, in_class: bool) -> Result<(), String> {
    let Some(symbol) = rest.next() else {
        return Err("a pattern that ends with a backslash".to_owned());
    };
    let set = |inner: &str, out: &mut String| {
        _ = if in_class { write!(out, "{inner}") } else { write!(out, "[{inner}]") };
    };
    match symbol {
        'd' => set("0-9", out),
        'w' => set("A-Za-z0-9_", out),
        's' => set(BLANKS, out),
        'D' => out.push_str("[^0-9]"),
        'W' => out.push_str("[^A-Za-z0-9_]"),
        'S' => _ = write!(out, "[^{BLANKS}]"),
        'b' if in_class => out.push_str(r"\x08"),
        'b' => out.push_str(BOUNDARY),
        'B' => _ = write!(out, "(?!{BOUNDARY})"),
        'n' | 'r' | 't' | 'f' | 'v' => {
            out.push('\\');
            out.push(symbol);
        }
        '0' => out.push_str(r"\x00"),
        '1'..='9' if !in_class => {
            out.push('\\');
            out.push(symbol);
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                out.push(digit);
            }
        }
        'k' if rest.peek() == Some(&'<') => {
            out.push_str(r"\k");
        }
        'x' => code(rest, out, symbol, 2),
        'u' => code(rest, out, symbol, 4),
        'c' => match rest.next_if(char::is_ascii_alphabetic) {
            Some(letter) => _ = write!(out, r"\x{:02X}", letter as u32 % 32),
            None => out.push_str(r"\\c"),
        },
        plain => literal(plain, out),
    }
    Ok(())
}

/// A boundary of words of ASCII letters, digits and `_`.
const BOUNDARY: &str = "(?:(?<=[A-Za-z0-9_])(?![A-Za-z0-9_])|(?<![A-Za-z0-9_])(?=[A-Za-z0-9_]))";

/// A character by its number.
fn code(rest: &mut Peekable<Chars<'_>>, out: &mut String, letter: char, digits: usize) {
    let text: String = rest.clone().take(digits).collect();
    let number = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits);
    match number.and_then(char::from_u32) {
        Some(symbol) => {
            rest.by_ref().take(digits).for_each(drop);
            literal(symbol, out);
        }
        None => literal(letter, out),
    }
}

fn literal(symbol: char, out: &mut String) {
    if symbol.is_ascii_punctuation() && symbol != '_' {
        out.push('\\');
        out.push(symbol);
    } else if symbol.is_control() {
        _ = write!(out, r"\x{{{:X}}}", symbol as u32);
    } else {
        out.push(symbol);
    }
}

/// A class, whose `[` has been read.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> Result<(), String> {
    let not = rest.next_if_eq(&'^').is_some();
    if rest.next_if_eq(&']').is_some() {
        // Nothing at all, or anything at all.
        out.push_str(if not { r"(?s:.)" } else { r"(?!)" });
        return Ok(());
    }
    out.push_str(if not { "[^" } else { "[" });
    loop {
        match rest.next() {
            None => return Err("a class without its `]`".to_owned()),
            Some(']') => break,
            Some('\\') => escape(rest, out, true)?,
            Some('-') => {
                // It makes a range unless it is the first or the last.
                let is_last = rest.peek() == Some(&']');
                let is_first = out.ends_with('[') || out.ends_with("[^");
                out.push_str(if is_last || is_first { r"\-" } else { "-" });
            }
            Some(symbol) => literal(symbol, out),
        }
    }
    out.push(']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().is_in(text).unwrap()
    }

    #[test]
    fn a_pattern_means_what_it_means_in_ecmascript() {
        // Each was asked of a JavaScript engine: pattern, text, whether it matches.
        let cases = [
            (r"\d+", "x42", true),
            (r"^\d$", "\u{663}", false),
            (r"^\w+$", "äb", false),
            (r"\bcat\b", "a cat.", true),
            (r"\bcat\b", "äcat", true),
            (r"\Bcat", "concat", true),
            (r"a.b", "a\u{2028}b", false),
            (r"a.b", "a\rb", false),
            (r"^a$", "a\n", false),
            (r"b$", "a\nb", true),
            (r"^b", "a\nb", false),
            (r"a[^]b", "a\nb", true),
            (r"a[]b", "ab", false),
            (r"[[]", "[", true),
            (r"[a&&b]+$", "&", true),
            (r"[\w-]+@", "a-b@", true),
            (r"[a-]", "-", true),
            (r"[^-a]", "-", false),
            (r#"{"a":1}"#, r#"{"a":1}"#, true),
            (r"x{2}", "xx", true),
            (r"x{,2}", "x{,2}", true),
            (r"x{2,}", "x", false),
            (r"<.+?>x", "<a>b<c>x", true),
            (r"^x{1,2}?$", "xx", true),
            (r"a\/b", "a/b", true),
            (r"(?=.*one)(?=.*two)", "two one", true),
            (r"(?<!not )good", "not good", false),
            (r"(a)\1", "aa", true),
            (r"(?<q>['a])\k<q>", "''", true),
            (r"\u00e9", "é", true),
            (r"\x41", "A", true),
            (r"[\b]", "\u{8}", true),
            (r"\s", "\u{feff}", true),
            (r"\cJ", "\n", true),
            (r"a#b c", "a#b c", true),
            (r"price: \$\d+\.\d{2}", "price: $12.50", true),
        ];
        for (pattern, text, wanted) in cases {
            assert_eq!(holds(pattern, text), wanted, "{pattern} in {text:?}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in ["(?i)yes", "(", "[a", "*a", r"a\", "(?<a", "a{2}{3}", "a++", "a*?*"] {
            let refused = Pattern::new(pattern);
            assert!(refused.is_err(), "{pattern}: {refused:?}");
        }
    }

    #[test]
    fn a_pattern_that_goes_back_for_ever_is_given_up() {
        let pattern = Pattern::new(r"^(?=(a+)+$)(a|aa)+\1b$").unwrap();
        let text = "a".repeat(60) + "c";
        assert!(!pattern.is_in(&text).unwrap_or(false));
    }
}
