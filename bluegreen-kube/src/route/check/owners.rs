//! Who else writes the rules, by the API server's own notes.

use std::collections::BTreeSet;

use bluegreen_core::Problem;

use crate::owners;
use crate::route::object::Object;

/// What a switch writes. To the API server the list of rules is one field.
const RULES: &str = "/f:spec/f:rules";

pub(super) fn problems(route: &Object, object: &str, allowed: &BTreeSet<String>) -> Vec<Problem> {
    let mut owners = owners::of(&route.whole.metadata, &[RULES]);
    owners.retain(|owner| !allowed.contains(owner));
    owners.iter().map(|owner| problem(owner, object)).collect()
}

fn problem(owner: &str, object: &str) -> Problem {
    let object = format!("{object}, spec.rules");
    if owners::is_reconciler(owner) {
        Problem::new("gitops-owner", object)
            .found(format!("owned by {owner}, which puts back what others change"))
            .wanted("no such owner")
            .mend(format!(
                "tell it to ignore the weights in spec.rules, and then allow_owner({owner:?})"
            ))
    } else {
        Problem::new("foreign-owner", object)
            .found(format!("last written by {owner}"))
            .wanted("that it does not write it again: this switch takes it over")
            .warning()
    }
}
