//! ECMAScript's regular expressions, on engines whose time is bounded.

use std::sync::Arc;

use fancy_regex::{Regex, RegexBuilder};

mod class;
mod translate;

use translate::{Translation, Words};

/// How often the engine that goes back may do so before a match is given up.
const BACKTRACKS: usize = 250_000;
/// The longest pattern in bytes.
const LONGEST: usize = 16 * 1024;
/// The longest text in bytes that is searched for a pattern with look-around or backreferences. From
/// each of its letters on, what is looked for ahead or behind may be searched for in all the rest,
/// and the limit of steps back does not count that: `(?=.*one)(?=.*two)` takes a second for a text
/// of this length, and a hundred times as long for one ten times as long.
pub(super) const LONGEST_LOOK: usize = 32 * 1024;

/// A pattern without flags, as `new RegExp(pattern)` makes one.
///
/// One without look-around and backreferences takes time in proportion to the text, of whatever
/// length. With them, texts of more than 32 KiB can't be told. `\b` and `\B` need look-around only
/// where a text has letters other than ASCII, because words are of ASCII letters in ECMAScript.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// Shared by whoever has this pattern: a copy of an engine warms up caches of its own.
    whole: Arc<Regex>,
    /// For texts of ASCII, where that takes no look-around and `whole` does.
    ascii: Option<Arc<Regex>>,
    /// Whether `whole` needs the engine that goes back.
    looks: bool,
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > LONGEST {
            return Err(format!("a pattern of {} bytes", pattern.len()));
        }
        let build = |translated: &Translation| {
            RegexBuilder::new(&translated.text)
                .backtrack_limit(BACKTRACKS)
                .build()
                .map(Arc::new)
                .map_err(|error| format!("`{pattern}`: {error}"))
        };
        let translated = translate::translated(pattern, Words::Any)?;
        let ascii = if translated.bounds && !translated.looks {
            Some(build(&translate::translated(pattern, Words::Ascii)?)?)
        } else {
            None
        };
        let looks = translated.looks || translated.bounds;
        Ok(Self { whole: build(&translated)?, ascii, looks })
    }

    /// Whether it matches somewhere in `text`; an error when that can't be told in bounded time.
    pub(super) fn is_in(&self, text: &str) -> Result<bool, String> {
        let regex = match &self.ascii {
            Some(ascii) if text.is_ascii() => ascii,
            _ if self.looks && text.len() > LONGEST_LOOK => {
                let length = text.len();
                return Err(format!(
                    "{length} bytes are more than the {LONGEST_LOOK} in which look-around and \
                     backreferences are looked for"
                ));
            }
            _ => &self.whole,
        };
        regex.is_match(text).map_err(|error| format!("the pattern took too long: {error}"))
    }
}

/// Whether a pattern may have look-around or backreferences; also one of another dialect may, which
/// is not understood here.
pub(super) fn looks(pattern: &str) -> bool {
    translate::translated(pattern, Words::Ascii).map_or(true, |it| it.looks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap().is_in(text).unwrap()
    }

    #[test]
    fn a_pattern_means_what_it_means_in_ecmascript() {
        // Each was asked of a JavaScript engine: pattern, text, whether it matches. It was
        // `new RegExp(pattern).test(text)` in Node.js 20, which has V8.
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
            (r"^\ud83d\ude00$", "\u{1f600}", true),
            (r"\uD83D\uDE00!", "\u{1f600}!", true),
            (r"^[\w-z]$", "-", true),
            (r"^[\w-z]$", "`", false),
            (r"^[\d-\s]$", "-", true),
            (r"^[+\d-.]$", "-", true),
            (r"^[a-\d]$", "-", true),
            (r"^[a-\d]$", "b", false),
            (r"^[a-c-e]$", "d", false),
            (r"^[a-c-e]$", "-", true),
            (r"^[\[-a]$", "]", true),
            (r"^[\[-a]$", "-", false),
            (r"^[[-a]$", "^", true),
            (r"^[^^-a]$", "_", false),
            (r"^[--a]$", "A", true),
            (r"^[\--0]$", "/", true),
            (r"^[\b-\n]$", "\t", true),
            (r"^[\D-\d]$", "\u{e9}", true),
            (r"^\u+123$", "uu123", true),
            (r"\bcat\B", "cats", true),
            (r"\bcat\B", "cat\u{e9}", false),
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
    fn half_a_letter_is_refused() {
        // They are patterns in ECMAScript, of units of UTF-16 that no text here has alone.
        let halves = [
            r"\ud83d",
            r"\ude00",
            r"\ud83d\u0041",
            r"[\ud83c-\udfff]",
            r"[\ud83d\ude00]",
            r"\ud83d\ude00+",
        ];
        for pattern in halves {
            let refused = Pattern::new(pattern).map(|_| ()).unwrap_err();
            assert!(refused.contains("half of a letter"), "{pattern}: {refused}");
        }
        assert!(Pattern::new("[z-a]").is_err());
    }

    #[test]
    fn long_texts_are_searched_only_in_linear_time() {
        let (long, short) = ("a".repeat(1 << 20), "a".repeat(1 << 10));
        for pattern in [r"(?=.*one)(?=.*two)", r"(?<!b)c", r"(b)\1", r"(?<q>b)\k<q>"] {
            let pattern = Pattern::new(pattern).unwrap();
            assert!(pattern.is_in(&long).is_err());
            assert_eq!(pattern.is_in(&short), Ok(false));
        }
        for pattern in [r"one.*two", r"\bone.*two\b", r"(a|b)+c", r"[^\w-]", r"\Bone\B"] {
            assert_eq!(Pattern::new(pattern).unwrap().is_in(&long), Ok(false), "{pattern}");
        }
        // Where words end is looked at letter by letter in texts that have others than ASCII.
        let long = long + "\u{e9}";
        assert!(Pattern::new(r"\bone").unwrap().is_in(&long).is_err());
        assert_eq!(Pattern::new("one").unwrap().is_in(&long), Ok(false));
    }

    #[test]
    fn a_pattern_that_goes_back_for_ever_is_given_up() {
        let pattern = Pattern::new(r"^(?=(a+)+$)(a|aa)+\1b$").unwrap();
        let text = "a".repeat(60) + "c";
        assert!(!pattern.is_in(&text).unwrap_or(false));
    }
}
