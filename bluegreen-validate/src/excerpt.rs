//! Pieces of foreign text, made fit to be shown: short, printable, without secrets.

/// The most bytes of an answer that are looked at for an excerpt.
pub(crate) const LOOKED_AT: usize = 512;
/// The most characters of an excerpt.
const SHOWN: usize = 160;
/// Shorter values are not masked: they would blot out half of every text, and are no secrets.
const SHORTEST_SECRET: usize = 4;

/// Replaces secrets by `***`.
#[derive(Clone, Default)]
pub(crate) struct Mask(Vec<String>);

impl Mask {
    /// Hides `secret` from now on, and, of a value of several words (`Bearer abc`), the last.
    pub(crate) fn hide(&mut self, secret: &str) {
        let words = [secret.trim(), secret.rsplit(char::is_whitespace).next().unwrap_or_default()];
        for word in words {
            if word.len() >= SHORTEST_SECRET && !self.0.iter().any(|known| known == word) {
                self.0.push(word.to_owned());
            }
        }
        // The longest first, so that a secret that contains another one is hidden as a whole.
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// The beginning of `bytes` as printable text in backticks.
    pub(crate) fn excerpt(&self, bytes: &[u8]) -> String {
        // More than is shown, so that a secret that is cut off by the end is still recognised.
        let longest = self.0.iter().map(String::len).max().unwrap_or_default();
        let looked_at = &bytes[..bytes.len().min(LOOKED_AT + longest)];
        let mut text = String::from_utf8_lossy(looked_at).into_owned();
        for secret in &self.0 {
            text = text.replace(secret.as_str(), "***");
        }
        let mut shown = String::from("`");
        let mut rest = text.chars();
        for symbol in rest.by_ref().take(SHOWN) {
            if symbol.is_control() {
                shown.extend(symbol.escape_default());
            } else {
                shown.push(symbol);
            }
        }
        if rest.next().is_some() || looked_at.len() < bytes.len() {
            shown.push('…');
        }
        shown.push('`');
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_printable_and_without_secrets() {
        let mut mask = Mask::default();
        mask.hide("Bearer sk-12345");
        assert_eq!(mask.excerpt(b"a\n\x1b[31mb"), "`a\\n\\u{1b}[31mb`");
        assert_eq!(mask.excerpt(&[0xff, b'x']), "`\u{fffd}x`");
        assert_eq!(mask.excerpt(b"key sk-12345 is unknown"), "`key *** is unknown`");
        assert_eq!(mask.excerpt(b"got Bearer sk-12345"), "`got ***`");
        let long = mask.excerpt(&vec![b'y'; 1 << 20]);
        assert_eq!(long.chars().count(), SHOWN + 3);
        assert!(long.ends_with("…`"));
    }

    #[test]
    fn a_secret_at_the_edge_of_an_excerpt_is_hidden() {
        let mut mask = Mask::default();
        mask.hide("sk-12345");
        let mut text = vec![b'z'; SHOWN - 4];
        text.extend(b"sk-12345");
        let shown = mask.excerpt(&text);
        assert!(!shown.contains("sk-"), "{shown}");
    }
}
