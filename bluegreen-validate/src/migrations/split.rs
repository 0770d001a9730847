//! A text as statements: where each begins, what it says, and the comments before it.

use sqlparser::dialect::Dialect as Grammar;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};

use crate::excerpt::Mask;

/// One statement, not parsed yet.
pub(super) struct Piece {
    pub(super) at: Location,
    pub(super) tokens: Vec<TokenWithSpan>,
    /// The comments between the statement before and this one, and where they stand.
    pub(super) comments: Vec<(Location, String)>,
    /// Its beginning in one line, without passwords.
    pub(super) excerpt: String,
    /// What was hidden.
    pub(super) mask: Mask,
}

/// The statements, and the comments that are before none of them.
pub(super) struct Pieces {
    pub(super) all: Vec<Piece>,
    /// After the last statement.
    pub(super) rest: Vec<(Location, String)>,
    /// Within a statement, or behind one on the line where it ends.
    pub(super) within: Vec<(Location, String)>,
}

/// Cuts `text` at its semicolons. A cut at a wrong place is no danger: each piece has to be one whole
/// statement, or it is not readable.
pub(super) fn split(grammar: &dyn Grammar, text: &str) -> Result<Pieces, TokenizerError> {
    let tokens = Tokenizer::new(grammar, text).tokenize_with_location()?;
    let mut pieces = Vec::new();
    let mut open: Vec<TokenWithSpan> = Vec::new();
    let (mut comments, mut within) = (Vec::new(), Vec::new());
    let mut closed = 0;
    let mut body = Body::default();
    for token in tokens {
        match &token.token {
            Token::SemiColon if !body.is_open() => {
                if open.is_empty() {
                    // Between two semicolons there is no statement that a comment could be meant for.
                    within.append(&mut comments);
                }
                pieces.extend(piece(std::mem::take(&mut open), &mut comments));
                body = Body::default();
                closed = token.span.start.line;
                continue;
            }
            // What is piped into COPY after its semicolon.
            Token::CopyData { .. } | Token::EOF => continue,
            Token::Whitespace(space) => {
                let at = token.span.start;
                let free = open.is_empty() && at.line != closed;
                let place = if free { &mut comments } else { &mut within };
                place.extend(comment(space).map(|text| (at, text)));
                if open.is_empty() {
                    continue;
                }
            }
            Token::Word(word) if word.quote_style.is_none() => body.read(&word.value),
            _ => {}
        }
        open.push(token);
    }
    pieces.extend(piece(open, &mut comments));
    Ok(Pieces { all: pieces, rest: comments, within })
}

fn comment(space: &Whitespace) -> Option<String> {
    match space {
        Whitespace::SingleLineComment { comment, .. } | Whitespace::MultiLineComment(comment) => {
            Some(comment.trim().to_owned())
        }
        _ => None,
    }
}

fn piece(tokens: Vec<TokenWithSpan>, comments: &mut Vec<(Location, String)>) -> Option<Piece> {
    let at = tokens.first()?.span.start;
    let mask = secrets(&tokens);
    let mut text = String::new();
    for token in &tokens {
        if text.len() > 4 * crate::excerpt::LOOKED_AT {
            break;
        }
        match &token.token {
            Token::Whitespace(_) => {
                if !text.ends_with(' ') {
                    text.push(' ');
                }
            }
            token => text.push_str(&token.to_string()),
        }
    }
    let excerpt = mask.beginning_of(text.trim().as_bytes());
    Some(Piece { at, tokens, comments: std::mem::take(comments), excerpt, mask })
}

/// The texts after `PASSWORD` and `IDENTIFIED BY`, and all of user mappings and servers.
fn secrets(tokens: &[TokenWithSpan]) -> Mask {
    let mut mask = Mask::default();
    let mut said = false;
    for token in tokens {
        match &token.token {
            Token::Word(word) => {
                let word = word.value.to_ascii_uppercase();
                said |=
                    ["PASSWORD", "IDENTIFIED", "OPTIONS", "CONNECTION"].contains(&word.as_str());
            }
            Token::SingleQuotedString(text)
            | Token::DoubleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::NationalStringLiteral(text)
                if said =>
            {
                mask.hide(text);
            }
            Token::DollarQuotedString(text) if said => mask.hide(&text.value),
            _ => {}
        }
    }
    mask
}

/// Whether a semicolon is within the body of a function, a procedure or a trigger.
#[derive(Debug, Default)]
struct Body {
    words: u32,
    creates: bool,
    routine: bool,
    depth: u32,
    /// The word before: `END IF` closes what `IF` has opened, and opens nothing.
    ended: bool,
}

impl Body {
    fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn read(&mut self, word: &str) {
        let word = word.to_ascii_uppercase();
        self.words = self.words.saturating_add(1);
        if self.words == 1 {
            self.creates = word == "CREATE";
        }
        let routine = matches!(word.as_str(), "FUNCTION" | "PROCEDURE" | "TRIGGER");
        self.routine |= self.creates && routine;
        let ended = std::mem::replace(&mut self.ended, word == "END");
        if !self.routine {
            return;
        }
        match word.as_str() {
            "BEGIN" => self.depth = self.depth.saturating_add(1),
            "CASE" | "IF" | "LOOP" | "WHILE" | "REPEAT" if self.depth > 0 && !ended => {
                self.depth = self.depth.saturating_add(1);
            }
            "END" => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect};

    use super::*;

    fn excerpts(grammar: &dyn Grammar, text: &str) -> Vec<String> {
        split(grammar, text).unwrap().all.into_iter().map(|piece| piece.excerpt).collect()
    }

    #[test]
    fn statements_are_cut_where_they_end() {
        let text = "select 1;; -- c\n-- a;b\n update t set a = 'x;y' /* ; */ where b;\n-- end";
        let pieces = split(&PostgreSqlDialect {}, text).unwrap();
        let [first, second] = &pieces.all[..] else { panic!("two are wanted") };
        assert_eq!((first.excerpt.as_str(), first.at.line, first.at.column), ("select 1", 1, 1));
        assert_eq!(second.excerpt, "update t set a = 'x;y' where b");
        assert_eq!((second.at.line, second.at.column), (3, 2));
        assert_eq!(second.comments[0].1, "a;b");
        assert_eq!(pieces.rest[0].1, "end");
        let within: Vec<_> = pieces.within.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(within, ["c", ";"]);
    }

    #[test]
    fn a_body_is_not_cut() {
        let text = "create trigger t before insert on a for each row begin \
                    if x then set y = 1; end if; end; drop table b";
        let cut = excerpts(&MySqlDialect {}, text);
        assert_eq!(cut.len(), 2, "{cut:?}");
        assert_eq!(cut[1], "drop table b");
        let text = "begin; create table a (b int); commit";
        assert_eq!(excerpts(&PostgreSqlDialect {}, text).len(), 3);
    }

    #[test]
    fn no_excerpt_shows_a_password() {
        let text = "create role app login password 'hunter2-and-more'";
        assert_eq!(excerpts(&PostgreSqlDialect {}, text), ["create role app login password '***'"]);
        let text = "create user 'app'@'%' identified by 'hunter2-and-more'";
        assert!(!excerpts(&MySqlDialect {}, text)[0].contains("hunter2"));
    }
}
