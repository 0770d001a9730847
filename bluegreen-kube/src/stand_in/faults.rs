//! Requests that fail on purpose.

use super::call::Call;

/// A fault that meets the next requests it fits.
///
/// ```
/// # use bluegreen_kube::stand_in::{Failure, Fault};
/// // The answer to the second patch of a Service is lost, though it had its effect.
/// let lost = Fault::new("patch", "services", Failure::Disconnect).skip(1).after_the_effect();
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    verb: String,
    resource: String,
    name: Option<String>,
    skip: u32,
    times: u32,
    has_effect: bool,
    failure: Failure,
}

/// How a request fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// The server answers with this status code and the `Status` object that goes with it.
    Status(u16),
    /// There is no answer, ever.
    Hang,
    /// The connection breaks.
    Disconnect,
    /// The request lies somewhere on the way until
    /// [`deliver_late`](super::StandIn::deliver_late), even when its sender has given up.
    Late,
}

impl Fault {
    /// The next request with `verb` on `resource` fails. Either may be `"*"`; verbs are those
    /// of rights (`get`, `list`, `watch`, `create`, `update`, `patch`, `delete`).
    pub fn new(verb: impl Into<String>, resource: impl Into<String>, failure: Failure) -> Self {
        Self {
            verb: verb.into(),
            resource: resource.into(),
            name: None,
            skip: 0,
            times: 1,
            has_effect: false,
            failure,
        }
    }

    /// Only requests for the object of this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Lets so many requests pass first.
    #[must_use]
    pub fn skip(mut self, requests: u32) -> Self {
        self.skip = requests;
        self
    }

    /// So many requests fail, not one.
    #[must_use]
    pub fn times(mut self, requests: u32) -> Self {
        self.times = requests;
        self
    }

    /// The request has its effect all the same; only its answer is another. Without this it has
    /// none.
    #[must_use]
    pub fn after_the_effect(mut self) -> Self {
        self.has_effect = true;
        self
    }

    fn fits(&self, call: &Call) -> bool {
        (self.verb == "*" || self.verb == call.verb)
            && (self.resource == "*" || self.resource == call.what())
            && self.name.as_ref().is_none_or(|name| *name == call.name)
    }
}

/// The faults that wait for a request.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.push(fault);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// How this request fails, and whether it has its effect before.
    pub(super) fn meet(&mut self, call: &Call) -> Option<(Failure, bool)> {
        let index = self.0.iter_mut().position(|fault| {
            let fits = fault.fits(call);
            if fits && fault.skip > 0 {
                fault.skip -= 1;
                return false;
            }
            fits
        })?;
        let fault = &mut self.0[index];
        let met = (fault.failure, fault.has_effect);
        fault.times -= 1;
        if fault.times == 0 {
            self.0.remove(index);
        }
        Some(met)
    }
}
