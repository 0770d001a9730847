//! Things kept elsewhere, which a release brings by reference.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Problem};

/// The longest name: that of a label's value.
const MAX_NAME: usize = 63;
/// The longest reference, in bytes.
const MAX_REFERENCE: usize = 1024;
/// So many bytes all of them may take, names and digests included: a record has them twice, and they
/// stand in an annotation of each slot.
const MAX_ALL: usize = 8 * 1024;

/// Something kept elsewhere (a prompt registry, say) that runs by reference.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct External {
    /// Where it is.
    pub reference: String,
    /// What it is, so that whoever fetches it can tell whether it is still the same.
    pub digest: Digest,
}

/// Something kept elsewhere as a change says it, well-formed or not.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExternalChange {
    /// Where it is.
    pub reference: String,
    /// What it is: `sha256:<64 hex digits>`.
    pub digest: String,
    /// The variable of the only container that gets the reference.
    #[serde(default)]
    pub env_var: Option<String>,
}

impl ExternalChange {
    /// What it says, or everything that is wrong with it.
    pub(super) fn read(&self, name: &str) -> Result<External, Vec<Problem>> {
        let object = format!("change, external {}", name.escape_debug());
        let mut problems = Vec::new();
        if let Err(why) = check_name(name) {
            problems.push(
                Problem::new("malformed-external", &object)
                    .found(format!("a name {why}"))
                    .wanted("1 to 63 letters, digits, `-`, `_` or `.`, as refunds-prompt"),
            );
        }
        if let Err(why) = check_reference(&self.reference) {
            problems.push(
                Problem::new("malformed-external", &object)
                    .found(format!("a reference {why}"))
                    .wanted("1 to 1024 characters that can be seen, as prompts/refunds@7"),
            );
        }
        let digest = Digest::parse(&self.digest);
        if digest.is_none() {
            let found: String = self.digest.chars().take(80).collect();
            problems.push(
                Problem::new("malformed-external", object)
                    .found(format!("the digest `{}`", found.escape_debug()))
                    .wanted("sha256: and 64 of 0-9 and a-f"),
            );
        }
        match digest {
            Some(digest) if problems.is_empty() => {
                Ok(External { reference: self.reference.clone(), digest })
            }
            _ => Err(problems),
        }
    }
}

/// Whether all of them together are too large to be kept.
pub(super) fn too_large(all: &BTreeMap<String, External>) -> Option<Problem> {
    let size = |(name, it): (&String, &External)| {
        name.len() + it.reference.len() + it.digest.as_str().len()
    };
    let size: usize = all.iter().map(size).sum();
    (size > MAX_ALL).then(|| {
        Problem::new("external-too-large", "change, external")
            .found(format!("{size} bytes in {} things kept elsewhere", all.len()))
            .wanted(format!("at most {MAX_ALL}, those of former releases included"))
    })
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err("that is empty or too long");
    }
    let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(may) { Ok(()) } else { Err("with a character that none has") }
}

/// It is shown and stored, so it may hold no password.
fn check_reference(reference: &str) -> Result<(), &'static str> {
    if reference.is_empty() || reference.len() > MAX_REFERENCE {
        return Err("that is empty or too long");
    }
    if reference.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("with a space or something that cannot be seen");
    }
    let authority = reference.split_once("://").map(|(_, rest)| rest);
    let authority = authority.and_then(|rest| rest.split(['/', '?', '#']).next());
    if authority.is_some_and(|it| it.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))) {
        return Err("with a password in it, which everybody would see");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Configuration, Container, EnvValue, ResolvedChange, Sensitive};

    fn live() -> Configuration {
        let agent = Container::new("example.com/agent:1");
        Configuration::new([("agent".to_owned(), agent)].into()).with_version("1")
    }

    fn digest(of: &str) -> String {
        Digest::of([of]).to_string()
    }

    fn resolve(change: &Change, live: &Configuration) -> Result<ResolvedChange, Vec<Problem>> {
        change.resolve(live, "AGENT_VERSION")
    }

    #[test]
    fn what_is_kept_elsewhere_is_part_of_the_one_digest_and_stays_until_another_comes() {
        let prompt = |version: &str| {
            Change::external("refunds", format!("prompts/refunds@{version}"), digest(version))
        };
        let first = resolve(&prompt("7").version("1"), &live()).unwrap();
        assert_ne!(first.digest, live().digest());
        assert_ne!(resolve(&prompt("8").version("1"), &live()).unwrap().digest, first.digest);
        let moved = Change::external("refunds", "elsewhere/refunds@7", digest("7")).version("1");
        assert_ne!(resolve(&moved, &live()).unwrap().digest, first.digest);
        let next = Change::image("agent", "example.com/agent:2").and_external(
            "weights",
            "s3://models/small",
            digest("weights"),
        );
        let next = resolve(&next, &first.configuration).unwrap();
        let kept: Vec<&str> =
            next.configuration.external.values().map(|it| it.reference.as_str()).collect();
        assert_eq!(kept, ["prompts/refunds@7", "s3://models/small"]);
        let stored = serde_json::to_string(&next).unwrap();
        let stored: ResolvedChange = serde_json::from_str(&stored).unwrap();
        assert_eq!(stored, next, "a record has all of it");
        assert!(!serde_json::to_string(&live()).unwrap().contains("external"));
    }

    #[test]
    fn the_reference_is_handed_to_the_only_container() {
        let change = Change::external("refunds", "prompts/refunds@7", digest("7"))
            .external_in("refunds", "REFUNDS_PROMPT");
        assert!(change.shown().contains("REFUNDS_PROMPT"));
        let resolved = resolve(&change, &live()).unwrap();
        let value = resolved.configuration.containers["agent"].value("REFUNDS_PROMPT");
        assert_eq!(value, Some(&EnvValue::Literal(Sensitive::new("prompts/refunds@7"))));
        let mut two = live();
        two.containers.insert("proxy".to_owned(), Container::new("proxy:1"));
        assert_eq!(resolve(&change, &two).unwrap_err()[0].code, "ambiguous-container");
    }

    #[test]
    fn everything_malformed_is_told_at_once() {
        let change = Change::external("re funds", "", "md5:1")
            .and_external("weights", "s3://models/a b", digest("a").to_uppercase())
            .and_external("flags", "https://ann:sk-1@flags.example.com/7", digest("a"))
            .version("-");
        let problems = resolve(&change, &live()).unwrap_err();
        let codes: Vec<&str> = problems.iter().map(|it| it.code.as_str()).collect();
        let mut wanted = vec!["malformed-external"; 6];
        wanted.push("malformed-version");
        assert_eq!(codes, wanted, "{problems:#?}");
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let told = told.join("\n");
        assert!(told.contains("external flags: found a reference with a password in it"), "{told}");
        assert!(told.contains("external re funds: found the digest `md5:1`"), "{told}");
        assert!(!told.contains("sk-1"), "{told}");
        for good in ["git@example.com:prompts.git#v7", "https://ann@example.com/a@7", "prompts:7"] {
            assert_eq!(check_reference(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn more_than_a_record_has_room_for_is_refused() {
        let all = (0..9).fold(Change::default(), |change, number| {
            change.and_external(format!("e{number}"), "x".repeat(1000), digest("x"))
        });
        let problems = resolve(&all, &live()).unwrap_err();
        assert_eq!(problems.len(), 1);
        assert!(
            problems[0].to_string().contains("found 9657 bytes in 9 things"),
            "{}",
            problems[0]
        );
    }
}
