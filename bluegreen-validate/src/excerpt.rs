//! Pieces of foreign text, made fit to be shown: short, printable, without secrets.

/// The most bytes of an answer that are looked at for an excerpt.
pub(crate) const LOOKED_AT: usize = 512;
/// The most characters of an excerpt.
const SHOWN: usize = 160;
/// Shorter values are not masked: they would blot out half of every text, and are no secrets.
const SHORTEST_SECRET: usize = 4;

/// What is in the names of parameters that are nobody's business.
const SECRET_NAMES: [&str; 7] = ["key", "token", "secret", "pass", "auth", "sig", "session"];

/// A path as it is shown: its query may hold a key.
pub(crate) fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}

/// Replaces secrets by `***`.
#[derive(Clone, Default)]
pub(crate) struct Mask(Vec<String>);

impl Mask {
    /// Hides `secret` from now on, and, of a value of several words (`Bearer abc`), the last, and
    /// what has a name in it (`session=abc; theme=dark`).
    pub(crate) fn hide(&mut self, secret: &str) {
        let words = [secret.trim(), secret.rsplit(char::is_whitespace).next().unwrap_or_default()];
        let named = secret.split([';', ',', ' ']).filter_map(|part| part.split_once('='));
        for word in words.into_iter().chain(named.map(|(_, value)| value.trim_matches('"'))) {
            self.add(word);
            // As JSON has it.
            let escaped = serde_json::Value::from(word).to_string();
            self.add(escaped.trim_matches('"'));
        }
        self.sort();
    }

    /// Hides what the query of `path` has under a name that sounds secret.
    pub(crate) fn hide_query(&mut self, path: &str) {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let name = name.to_ascii_lowercase();
            if SECRET_NAMES.iter().any(|part| name.contains(part)) {
                self.add(value);
            }
        }
        self.sort();
    }

    /// The longest first, so that a secret that contains another one is hidden as a whole.
    fn sort(&mut self) {
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    fn add(&mut self, word: &str) {
        if word.len() >= SHORTEST_SECRET && !self.0.iter().any(|known| known == word) {
            self.0.push(word.to_owned());
        }
    }

    /// Where an excerpt of `text` has to begin so that it begins at `from` and in no secret.
    pub(crate) fn beginning(&self, text: &str, from: usize) -> usize {
        let mut from = from;
        for secret in &self.0 {
            let around = text.match_indices(secret.as_str());
            let around = around.map(|(at, _)| at).find(|at| *at < from && from < at + secret.len());
            from = around.unwrap_or(from);
        }
        while !text.is_char_boundary(from) {
            from -= 1;
        }
        from
    }

    /// The beginning of `bytes` as printable text in backticks.
    pub(crate) fn excerpt(&self, bytes: &[u8]) -> String {
        format!("`{}`", self.beginning_of(bytes))
    }

    /// The beginning of `bytes` as printable text.
    pub(crate) fn beginning_of(&self, bytes: &[u8]) -> String {
        let (text, is_cut) = self.masked(bytes, LOOKED_AT);
        shown(&text, SHOWN, is_cut, |_| false)
    }

    /// A text of ours that quotes others', as one printable line of at most 2,000 characters.
    #[cfg(feature = "migrations")]
    pub(crate) fn long_line(&self, text: &str) -> String {
        let (text, is_cut) = self.masked(text.as_bytes(), 8_000);
        shown(&text, 2_000, is_cut, |_| false)
    }

    /// The beginning of `text` as printable text. `clean` gets it without secrets, and whether it is
    /// cut off: what it looks for must not be in the way of a secret of which it is a part.
    #[cfg(feature = "prompts")]
    pub(crate) fn cleaned(&self, text: &str, clean: fn(&str, bool) -> String) -> String {
        let (text, is_cut) = self.masked(text.as_bytes(), LOOKED_AT);
        shown(&clean(&text, is_cut), SHOWN, is_cut, |_| false)
    }

    /// The same of several lines, at most so many characters of them.
    #[cfg(feature = "prompts")]
    pub(crate) fn cleaned_lines(
        &self,
        text: &str,
        most: usize,
        clean: fn(&str, bool) -> String,
    ) -> String {
        // Four bytes have room for every character; what is masked may be longer than the mask.
        let (text, is_cut) = self.masked(text.as_bytes(), most.saturating_mul(4).max(LOOKED_AT));
        shown(&clean(&text, is_cut), most, is_cut, |symbol| matches!(symbol, '\n' | '\t'))
    }

    /// All of `text` without secrets, and otherwise as it is.
    #[cfg(feature = "prompts")]
    pub(crate) fn whole(&self, text: &str, clean: fn(&str, bool) -> String) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            text = text.replace(secret.as_str(), "***");
        }
        clean(&text, false)
    }

    /// So much of `bytes` without secrets, and whether there is more.
    fn masked(&self, bytes: &[u8], most: usize) -> (String, bool) {
        // More than is shown, so that a secret that is cut off by the end is still recognised.
        let longest = self.0.iter().map(String::len).max().unwrap_or_default();
        let looked_at = &bytes[..bytes.len().min(most.saturating_add(longest))];
        let mut text = String::from_utf8_lossy(looked_at).into_owned();
        for secret in &self.0 {
            text = text.replace(secret.as_str(), "***");
        }
        // The last one may have been cut off, here or where the body was.
        for secret in &self.0 {
            let parts = (SHORTEST_SECRET..secret.len()).filter_map(|length| secret.get(..length));
            if let Some(part) = parts.rev().find(|part| text.ends_with(part)) {
                text.truncate(text.len() - part.len());
                text.push_str("***");
            }
        }
        let is_cut = looked_at.len() < bytes.len();
        (text, is_cut)
    }
}

/// The beginning of `text`, without control characters other than those that are `kept`.
fn shown(text: &str, most: usize, is_cut: bool, kept: fn(char) -> bool) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    for symbol in rest.by_ref().take(most) {
        if symbol.is_control() && !kept(symbol) {
            shown.extend(symbol.escape_default());
        } else {
            shown.push(symbol);
        }
    }
    if rest.next().is_some() || is_cut {
        shown.push('…');
    }
    shown
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
        // Masked, so many of them are so short that the end of what is looked at is shown.
        for lead in 0..8 {
            let many = "z".repeat(lead) + &"sk-12345".repeat(200);
            let shown = mask.excerpt(many.as_bytes());
            assert!(!shown.contains("sk-1"), "{shown}");
        }
        // Longer than what is looked at, and than what is kept of a body.
        let long = "k".repeat(2000);
        mask.hide(&long);
        assert_eq!(mask.excerpt(&long.as_bytes()[..1024]), "`***`");
    }

    #[cfg(feature = "prompts")]
    #[test]
    fn lines_are_kept_where_there_is_room_for_them() {
        let mut mask = Mask::default();
        mask.hide("Bearer sk-12345");
        let lines = |text: &str, most| mask.cleaned_lines(text, most, |text, _| text.to_owned());
        assert_eq!(lines("a\n\tsk-12345\u{1b}b", 100), "a\n\t***\\u{1b}b");
        assert_eq!(lines(&"é".repeat(5_000), 4_000), "é".repeat(4_000) + "…");
        let edge = "z".repeat(3_996) + "sk-12345";
        assert!(!lines(&edge, 4_000).contains("sk-"));
        assert_eq!(lines("abc", 0), "…");
    }

    #[test]
    fn an_excerpt_does_not_begin_within_a_secret() {
        let mut mask = Mask::default();
        mask.hide("Bearer sk-12345");
        let text = "é is: Bearer sk-12345, which is wrong";
        for from in 0..text.len() {
            let shown = mask.excerpt(&text.as_bytes()[mask.beginning(text, from)..]);
            assert!(!shown.contains("345"), "from {from}: {shown}");
        }
    }

    #[test]
    fn parts_of_a_value_are_secret_too_and_their_other_spellings() {
        let mut mask = Mask::default();
        mask.hide(r#"session=abc"12345; theme="dark-one"; a=b"#);
        assert_eq!(mask.excerpt(br#"no session abc"12345 here"#), "`no session *** here`");
        assert_eq!(mask.excerpt(br#"{"found": "abc\"12345"}"#), r#"`{"found": "***"}`"#);
        assert_eq!(mask.excerpt(b"dark-one a b"), "`*** a b`");
        mask.hide_query("/chat?lang=english&API_KEY=abcdef&x");
        assert_eq!(mask.excerpt(b"english abcdef"), "`english ***`");
    }
}
