//! Those who grade and can't be reached from here.

use std::collections::BTreeSet;

use bluegreen_core::Problem;

use super::{PromptRegression, judge};

impl PromptRegression {
    /// Who grades and can't be reached.
    pub(super) fn unreached(&self) -> Vec<Problem> {
        let suite = &self.suite;
        let judges = suite.judges.iter().enumerate();
        let judges = judges.map(|(at, it)| (format!("judges[{at}].url"), it.url.as_str()));
        let embeddings =
            suite.embeddings.iter().map(|it| ("embeddings.url".into(), it.url.as_str()));
        let mut hooks = Vec::new();
        suite.assertions().for_each(|it| it.webhooks(&mut hooks));
        let hooks: BTreeSet<&str> = hooks.into_iter().map(|it| it.url.as_str()).collect();
        let hooks = hooks.into_iter().map(|url| ("webhook".to_owned(), url));
        let mut problems = Vec::new();
        for (field, url) in judges.chain(embeddings).chain(hooks) {
            // What is no address has been said.
            let Ok(place) = judge::Place::parse(url, "") else { continue };
            if let Err(found) = self.connector.connect(&place.origin) {
                let problem = Problem::new("prompt-judge", format!("{}, {field}", suite.name));
                let wanted = "an address that can be reached from here";
                problems.push(problem.found(found).wanted(wanted));
            }
        }
        problems
    }
}
