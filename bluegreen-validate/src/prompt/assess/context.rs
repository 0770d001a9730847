//! Checks that need to know what an answer was made from, made ready.

use serde_json::Value;

use crate::prompt::suite::{Check, Context};
use crate::prompt::template::{Scope, Templates};

/// The check with its templates rendered, if it is one of these. A context that is one `{{ … }}` is the
/// value itself, which may be a list.
///
/// # Errors
/// A template that can't be rendered, and a context that is none.
pub(super) fn rendered(
    check: &Check,
    templates: &Templates,
    vars: &Scope,
) -> Option<Result<Check, String>> {
    let context = |own: Option<&Value>, is_needed: bool| {
        let own = own.map(|it| templates.value(it, vars)).transpose()?;
        match Context::of(own.as_ref(), vars)? {
            None if is_needed => Err("no variable `context`".to_owned()),
            _ => Ok(own),
        }
    };
    let query = |own: Option<&String>| own.map(|it| templates.text(it, vars)).transpose();
    let ready = || {
        let mut check = check.clone();
        match &mut check {
            Check::AnswerRelevance(it) => it.query = query(it.query.as_ref())?,
            Check::ContextRecall(it) => {
                it.expected = templates.text(&it.expected, vars)?;
                it.context = context(it.context.as_ref(), false)?;
            }
            Check::ContextRelevance(it) | Check::ContextFaithfulness(it) => {
                it.query = query(it.query.as_ref())?;
                it.context = context(it.context.as_ref(), true)?;
            }
            _ => {}
        }
        Ok(check)
    };
    check.is_in_context().then(ready)
}
