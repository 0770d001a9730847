//! One statement as a tree, whatever was written.

use sqlparser::ast::Statement;
use sqlparser::dialect::Dialect as Grammar;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The most words and signs of one statement; a seed with thousands of rows has fewer.
const LONGEST: usize = 100_000;
/// The deepest brackets. The parser goes back and tries again at each of them.
const DEEPEST: usize = 32;
/// The most words and signs between commas, those around the brackets counted too. A tree is at most
/// so deep: `1 + 1 + 1` is one level more for every sign, and each takes stack when it is dropped.
const WIDEST: usize = 3_000;
/// How often the parser calls itself, at most.
const RECURSION: usize = 100;

/// The stack in bytes that suffices for all of this in a program that is not optimised. It is not
/// taken from memory before it is used.
pub(super) const STACK: usize = 256 * 1024 * 1024;

/// What a statement is.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) tree: Tree,
    /// Its words and signs.
    pub(super) words: Vec<Token>,
    /// `DROP INDEX` or `REINDEX`, said to be done beside reads and writes.
    pub(super) concurrently: bool,
}

/// A statement as a tree, or as one of those that the parser does not know and that are told by how
/// they begin: whatever follows, they are nothing else.
#[derive(Debug)]
pub(super) enum Tree {
    Statement(Box<Statement>),
    Reindex,
    Cluster,
    Do,
}

/// The statement that these are.
pub(super) fn parse(
    grammar: &dyn Grammar,
    mut tokens: Vec<TokenWithSpan>,
) -> Result<Parsed, String> {
    bounded(&tokens)?;
    tokens.retain(|token| !matches!(token.token, Token::Whitespace(_)));
    let words: Vec<Token> = tokens.iter().map(|token| token.token.clone()).collect();
    let word = |at: usize| match words.get(at) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        _ => String::new(),
    };
    let concurrently = word(0) == "DROP" && word(1) == "INDEX" && word(2) == "CONCURRENTLY";
    if concurrently {
        // The parser takes it for the name of the index.
        tokens.remove(2);
    }
    let mut parser =
        Parser::new(grammar).with_recursion_limit(RECURSION).with_tokens_with_locations(tokens);
    let tree = match parser.parse_statement() {
        Ok(statement) => Tree::Statement(Box::new(statement)),
        Err(error) => match word(0).as_str() {
            "REINDEX" => {
                let concurrently = (1..words.len()).any(|at| word(at) == "CONCURRENTLY");
                return Ok(Parsed { tree: Tree::Reindex, words, concurrently });
            }
            "CLUSTER" => return Ok(Parsed { tree: Tree::Cluster, words, concurrently: false }),
            "DO" => return Ok(Parsed { tree: Tree::Do, words, concurrently: false }),
            _ => return Err(error.to_string()),
        },
    };
    match parser.next_token().token {
        Token::EOF => Ok(Parsed { tree, words, concurrently }),
        token => Err(format!("`{token}` is after what would be a whole statement")),
    }
}

fn bounded(tokens: &[TokenWithSpan]) -> Result<(), String> {
    let mut levels = vec![0_usize];
    let (mut around, mut all) = (0_usize, 0_usize);
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::LParen | Token::LBracket | Token::LBrace => {
                levels.push(0);
            }
            Token::RParen | Token::RBracket | Token::RBrace if levels.len() > 1 => {
                around -= levels.pop().unwrap_or_default();
            }
            // Rows, columns and arguments stand side by side.
            Token::Comma => around -= levels.last_mut().map_or(0, std::mem::take),
            _ => {}
        }
        all += 1;
        around += 1;
        *levels.last_mut().unwrap_or(&mut 0) += 1;
        if levels.len() > DEEPEST {
            return Err(format!("brackets are more than {DEEPEST} levels deep"));
        }
        if around > WIDEST || all > LONGEST {
            let most = if all > LONGEST { LONGEST } else { WIDEST };
            return Err(format!("more than {most} words and signs in a row"));
        }
    }
    Ok(())
}
