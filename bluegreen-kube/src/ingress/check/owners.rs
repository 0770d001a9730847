//! Who else writes the backends, by the API server's own notes.

use std::collections::BTreeSet;

use bluegreen_core::Problem;

use crate::ingress::object::Object;
use crate::owners;

/// What a switch writes. To the API server the list of rules is one field.
pub(crate) const WRITTEN: [&str; 2] = ["/f:spec/f:rules", "/f:spec/f:defaultBackend"];

pub(super) fn problems(ingress: &Object, object: &str, allowed: &BTreeSet<String>) -> Vec<Problem> {
    let mut owners = owners::of(&ingress.whole.metadata, &WRITTEN);
    owners.retain(|owner| !allowed.contains(owner));
    let object = format!("{object}, spec");
    owners.iter().map(|owner| owner_problem(owner, &object, "the names of backends")).collect()
}

/// What `owner` means for fields that we write. `what` they are is for the one who has to tell it.
pub(crate) fn owner_problem(owner: &str, object: &str, what: &str) -> Problem {
    if owners::is_reconciler(owner) {
        Problem::new("gitops-owner", object)
            .found(format!("owned by {owner}, which puts back what others change"))
            .wanted("no such owner")
            .mend(format!("tell it to ignore {what}, and then allow_owner({owner:?})"))
    } else {
        Problem::new("foreign-owner", object)
            .found(format!("last written by {owner}"))
            .wanted("that it does not write it again: this switch takes it over")
            .warning()
    }
}
