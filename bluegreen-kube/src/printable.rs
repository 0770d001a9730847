//! Foreign text, made fit to be shown.

/// At most so many characters of a text, without any that would move a terminal's cursor.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(limit));
    let mut rest = text.chars();
    for symbol in rest.by_ref().take(limit) {
        if symbol.is_control() {
            shown.extend(symbol.escape_default());
        } else {
            shown.push(symbol);
        }
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

/// The beginning of what somebody has written in place of ours, in quotation marks.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text, 200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_short_and_moves_no_cursor() {
        assert_eq!(printable("größer", 10), "größer");
        assert_eq!(printable("a\n\u{1b}[31mb", 10), "a\\n\\u{1b}[31mb");
        assert_eq!(printable(&"ü".repeat(2000), 3), "üüü…");
    }
}
