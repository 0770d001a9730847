//! How every page begins, and what it may not do.

use std::fmt::{self, Write};

use super::escape::Escaped;

/// What a page is about, and how that stands.
pub(in crate::report) struct Head<'a> {
    pub(in crate::report) name: &'a str,
    pub(in crate::report) state: &'a str,
    /// The class of `state`.
    pub(in crate::report) mood: &'a str,
    pub(in crate::report) styles: &'a [&'a str],
    /// The hash of the only script that a browser runs in the page, whatever stands in it.
    pub(in crate::report) script: Option<&'a str>,
}

impl Head<'_> {
    /// Everything up to the facts below the heading. The page loads nothing and sends nothing.
    pub(in crate::report) fn write(&self, page: &mut String) -> fmt::Result {
        let (name, state, mood) = (Escaped(self.name), Escaped(self.state), self.mood);
        let script = self.script.map_or_else(String::new, |hash| format!(" script-src '{hash}';"));
        write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline';{script} base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>{name}: {state}</title>\n<style>{}</style></head><body>\n\
             <header><h1>{name} <span class=\"{mood}\">{state}</span></h1>\n",
            self.styles.concat()
        )
    }
}
