//! Files one after another: cut, parsed, judged, and what a person has allowed.

use std::thread;

use sqlparser::dialect::{Dialect as Grammar, MySqlDialect, PostgreSqlDialect};
use sqlparser::tokenizer::Location;

use super::acknowledge::{self, Wrong};
use super::judge::{Judge, Said};
use super::known::{Known, Session};
use super::parse::{STACK, parse};
use super::review::{MigrationFinding, Review};
use super::source::Source;
use super::split::{Piece, split};
use super::{Danger, Dialect, Locks, Rule, Settings};
use crate::excerpt::Mask;

/// The most statements of a release; more are not looked at, and that is a finding.
const MOST: usize = 20_000;

/// Looks at all of `sources`, in their order.
pub(super) fn check(settings: &Settings, sources: &[&Source]) -> Review {
    let mut review = Review { files: sources.len(), ..Review::default() };
    let mut judge = Judge::new(settings);
    for source in sources {
        // Trees may be deep, and a caller's thread has a small stack. It ends before this does.
        let ended = thread::scope(|scope| {
            let work = thread::Builder::new().stack_size(STACK);
            let work = work.spawn_scoped(scope, || file(&mut judge, source, &mut review));
            work.is_ok_and(|thread| thread.join().is_ok())
        });
        if !ended {
            judge.known = Known::default();
            let why = "the parser broke off; nothing of this file counts as looked at";
            let wrong = unreadable(Location::new(1, 1), String::new(), why);
            keep(&mut review, source, &Mask::default(), wrong);
        }
    }
    review
}

fn grammar(dialect: Dialect) -> &'static dyn Grammar {
    match dialect {
        Dialect::Postgres => &PostgreSqlDialect {},
        Dialect::Mysql => &MySqlDialect {},
    }
}

/// Something to be said at a place.
struct At {
    place: Location,
    excerpt: String,
    said: Said,
}

fn file(judge: &mut Judge<'_>, source: &Source, review: &mut Review) {
    judge.known.session = Session::default();
    let dialect = judge.settings.dialect;
    if let Some(at) = conditional(dialect, &source.text) {
        let why = "a comment that only some servers run: what it comes to is not known";
        keep(review, source, &Mask::default(), unreadable(at, "/*! … */".to_owned(), why));
    }
    let cut = match split(grammar(dialect), &source.text) {
        Ok(cut) => cut,
        Err(error) => {
            let line = usize::try_from(error.location.line).unwrap_or_default();
            let excerpt = Mask::default().beginning_of(
                source.text.lines().nth(line.saturating_sub(1)).unwrap_or("").as_bytes(),
            );
            // Nobody knows which statements are in it.
            judge.known = Known::default();
            let wrong = unreadable(error.location, excerpt, &error.message);
            return keep(review, source, &Mask::default(), wrong);
        }
    };
    let within = "it stands within a statement or behind one";
    let mut wrong = acknowledge::misplaced(&cut.within, within);
    wrong.extend(acknowledge::misplaced(&cut.rest, "no statement comes after it"));
    let mut excerpts = Vec::new();
    for piece in cut.all {
        if review.statements >= MOST {
            let why = format!("more than {MOST} statements; from here on nothing was looked at");
            keep(review, source, &piece.mask, unreadable(piece.at, piece.excerpt, &why));
            break;
        }
        review.statements += 1;
        excerpts.push((piece.at.line, piece.at, piece.excerpt.clone()));
        wrong.extend(statement(judge, source, review, piece));
    }
    for Wrong { at, comment, why } in wrong {
        let excerpt = Mask::default().beginning_of(format!("-- {comment}").as_bytes());
        let instead = acknowledge::how();
        let said = Said { rule: Rule::Acknowledgement, why, instead: instead.to_owned() };
        keep(review, source, &Mask::default(), At { place: at, excerpt, said });
    }
    if let Some((line, said)) = judge.ends()
        && let Some((_, at, excerpt)) = excerpts.into_iter().find(|(at, ..)| *at == line)
    {
        keep(review, source, &Mask::default(), At { place: at, excerpt, said });
    }
    let of_file = |it: &MigrationFinding| it.file == source.name;
    // Those of this file are the last ones.
    let first = review.findings.iter().position(of_file).unwrap_or(review.findings.len());
    review.findings[first..].sort_by_key(|it| (it.line, it.column));
}

/// One statement; what is wrong with its acknowledgements is returned.
fn statement(
    judge: &mut Judge<'_>,
    source: &Source,
    review: &mut Review,
    piece: Piece,
) -> Vec<Wrong> {
    let Piece { at, tokens, comments, excerpt, mask } = piece;
    let (allowed, wrong) = acknowledge::read(&comments);
    let parsed = match parse(grammar(judge.settings.dialect), tokens) {
        Ok(parsed) => parsed,
        Err(why) => {
            keep(review, source, &mask, unreadable(at, excerpt, &why));
            // It may have been anything, also what takes away a table that is believed to be new.
            judge.known.forget_all();
            return wrong;
        }
    };
    let mut used = vec![false; allowed.len()];
    for said in judge.judge(parsed, at.line) {
        let yes = allowed.iter().position(|it| it.rule == said.rule);
        let mut found = finding(source, &mask, At { place: at, excerpt: excerpt.clone(), said });
        if let Some(index) = yes {
            used[index] = true;
            if found.rule == Rule::MissingLockTimeout {
                // It was allowed for this statement, and for no other.
                judge.known.session.told = false;
            }
            found.allowed = Some(allowed[index].reason.clone());
            review.notices.push(found);
        } else if found.danger == Danger::Blocks && judge.settings.locks == Locks::Notice {
            review.notices.push(found);
        } else {
            review.findings.push(found);
        }
    }
    for (allowed, used) in allowed.into_iter().zip(used) {
        if !used {
            let said = Said {
                rule: Rule::Acknowledgement,
                why: format!("`{}` is allowed, and does not name this statement", allowed.rule),
                instead: "leave the comment out".to_owned(),
            };
            review.notices.push(finding(
                source,
                &mask,
                At { place: at, excerpt: excerpt.clone(), said },
            ));
        }
    }
    wrong
}

fn unreadable(at: Location, excerpt: String, why: &str) -> At {
    let said = Said {
        rule: Rule::Unparsable,
        why: format!("what can not be read can not be known to be safe: {why}"),
        instead:
            "standard SQL of the dialect, one statement after another; what the parser does not \
             know, by hand and outside the release"
                .to_owned(),
    };
    At { place: at, excerpt, said }
}

fn keep(review: &mut Review, source: &Source, mask: &Mask, at: At) {
    review.findings.push(finding(source, mask, at));
}

fn finding(source: &Source, mask: &Mask, At { place, excerpt, said }: At) -> MigrationFinding {
    MigrationFinding {
        file: source.name.clone(),
        line: place.line,
        column: place.column,
        rule: said.rule,
        danger: said.rule.danger(),
        statement: excerpt,
        why: masked(mask, &said.why),
        instead: masked(mask, &said.instead),
        allowed: None,
    }
}

/// Without secrets and control characters; what is quoted in it is short already.
fn masked(mask: &Mask, text: &str) -> String {
    mask.long_line(text)
}

/// Where a comment is that runs on some servers only: `/*!80013 … */`, `/*M! … */`. What `MySQL` 5.7
/// and older knew is run by all, and read as if it were no comment.
fn conditional(dialect: Dialect, text: &str) -> Option<Location> {
    if dialect != Dialect::Mysql {
        return None;
    }
    let mut from = 0;
    loop {
        let at = from + text[from..].find("/*")?;
        let after = &text[at + 2..];
        let version: String = after
            .strip_prefix('!')
            .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
            .unwrap_or_default();
        let is_new = version.len() > 5 || version.parse().is_ok_and(|it: u32| it >= 50_800);
        if is_new || after.starts_with("M!") {
            let line = text[..at].matches('\n').count() as u64 + 1;
            let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let column = text[begin..at].chars().count() as u64 + 1;
            return Some(Location::new(line, column));
        }
        from = at + 2;
    }
}
