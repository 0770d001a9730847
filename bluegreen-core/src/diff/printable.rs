//! Foreign text, made fit to be shown.

use std::fmt::Write as _;

/// At most so many characters of a text, with those written out that would move a terminal's cursor, turn
/// the direction of what follows, or not be seen at all: a prompt may hide a sentence in them.
pub(super) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit));
    let mut rest = text.chars();
    for symbol in rest.by_ref().take(limit) {
        match symbol {
            '\t' => shown.push('\t'),
            _ if symbol.is_control() => shown.extend(symbol.escape_default()),
            _ if is_unseen(symbol) => shown.extend(symbol.escape_unicode()),
            _ => shown.push(symbol),
        }
    }
    let more = rest.count();
    if more > 0 {
        // Writing to a String cannot fail.
        let _ = write!(shown, "… ({more} more characters)");
    }
    shown
}

/// Unicode's format characters that text of prompts has no use for (general category `Cf`, and the
/// separators of lines and paragraphs); a joiner in an emoji is written out as well, which does no harm.
fn is_unseen(symbol: char) -> bool {
    matches!(symbol,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_not_be_seen_is_written_out() {
        assert_eq!(printable("größer\t👍", 10), "größer\t👍");
        assert_eq!(printable("a\r\u{1b}[31mb", 10), "a\\r\\u{1b}[31mb");
        assert_eq!(printable("a\u{202e}b\u{e0041}c", 10), "a\\u{202e}b\\u{e0041}c");
        assert_eq!(printable(&"ü".repeat(2000), 3), "üüü… (1997 more characters)");
    }
}
