//! What a person has said yes to: `-- bluegreen: allow RULE because …` directly before a statement.

use sqlparser::tokenizer::Location;

use super::Rule;

/// One acknowledgement.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Allowed {
    pub(super) rule: Rule,
    pub(super) reason: String,
}

/// What is wrong with a comment that begins like an acknowledgement.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Wrong {
    pub(super) at: Location,
    pub(super) comment: String,
    pub(super) why: String,
}

const HOW: &str = "`-- bluegreen: allow RULE because REASON` directly before one statement";

/// The acknowledgements among `comments`.
pub(super) fn read(comments: &[(Location, String)]) -> (Vec<Allowed>, Vec<Wrong>) {
    let (mut allowed, mut wrong) = (Vec::new(), Vec::new());
    for (at, text) in comments {
        match one(text) {
            None => {}
            Some(Ok(found)) => allowed.push(found),
            Some(Err(why)) => wrong.push(Wrong { at: *at, comment: text.clone(), why }),
        }
    }
    (allowed, wrong)
}

/// Those in places where they can not be meant for anything.
pub(super) fn misplaced(comments: &[(Location, String)], why: &str) -> Vec<Wrong> {
    let ours = comments.iter().filter(|(_, text)| one(text).is_some());
    ours.map(|(at, text)| Wrong { at: *at, comment: text.clone(), why: why.to_owned() }).collect()
}

/// How it is written.
pub(super) fn how() -> &'static str {
    HOW
}

/// `None` for a comment that is none of ours.
fn one(comment: &str) -> Option<Result<Allowed, String>> {
    let lower = comment.trim_start().to_ascii_lowercase();
    if !lower.starts_with("bluegreen") {
        return None;
    }
    let said = comment.trim_start()["bluegreen".len()..].trim_start().strip_prefix(':')?;
    Some(allow(said.trim()))
}

fn allow(said: &str) -> Result<Allowed, String> {
    let (verb, rest) = word(said);
    if verb != "allow" {
        return Err(format!("it begins with `{verb}`, and not with `allow`"));
    }
    let (id, rest) = word(rest);
    let rule = Rule::parse(id).ok_or_else(|| format!("there is no rule `{id}`"))?;
    if !rule.may_be_allowed() {
        return Err(format!("`{id}` can not be allowed: nobody knows what it would be"));
    }
    let (because, reason) = word(rest);
    if because != "because" {
        return Err("it has no `because`".to_owned());
    }
    if !reason.contains(char::is_alphanumeric) {
        return Err("it has no reason after `because`".to_owned());
    }
    Ok(Allowed { rule, reason: reason.split_whitespace().collect::<Vec<_>>().join(" ") })
}

/// The first word, and what is after it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (Vec<Allowed>, Vec<Wrong>) {
        read(&[(Location::new(1, 1), text.to_owned())])
    }

    #[test]
    fn a_rule_and_a_reason_are_an_acknowledgement() {
        let (allowed, wrong) =
            said("bluegreen: allow drop-column because nobody  reads it\nsince 1.2");
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(allowed[0].rule, Rule::DropColumn);
        assert_eq!(allowed[0].reason, "nobody reads it since 1.2");
    }

    #[test]
    fn what_only_looks_like_one_is_wrong() {
        for (text, why) in [
            ("bluegreen: allow drop-colum because x", "there is no rule `drop-colum`"),
            ("bluegreen: allow drop-column", "it has no `because`"),
            ("bluegreen: allow drop-column because", "it has no reason after `because`"),
            ("bluegreen: allow drop-column because …", "it has no reason after `because`"),
            ("bluegreen: ignore drop-column because x", "it begins with `ignore`"),
            ("Bluegreen: allow unparsable because x", "`unparsable` can not be allowed"),
            ("bluegreen: allow", "there is no rule ``"),
        ] {
            let (allowed, wrong) = said(text);
            assert!(allowed.is_empty(), "{text}: {allowed:?}");
            assert!(wrong[0].why.starts_with(why), "{text}: {wrong:?}");
        }
        assert_eq!(said("bluegreen releases are fun").1.len(), 0);
        assert_eq!(said("see drop-column").1.len(), 0);
    }
}
