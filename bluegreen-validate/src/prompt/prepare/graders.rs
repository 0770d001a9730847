//! What is wrong with graders of one's own, and where the file names them.

use bluegreen_core::Problem;

use super::Flaws;
use crate::prompt::suite::GraderCheck;

/// The code of what is noted while a file is read.
pub(in crate::prompt) const NAMED: &str = "prompt-grader-named";

impl Flaws<'_> {
    /// Those that somebody brought.
    pub(super) fn check_brought(&mut self) {
        let brought = self.suite.graders.brought();
        for (index, grader) in brought.iter().enumerate() {
            self.within(index, |flaws| {
                let (name, version) = (grader.name(), grader.version());
                flaws.within("name", |flaws| flaws.check_name(name, 100));
                flaws.within("version", |flaws| flaws.check_name(version, 200));
                if brought.iter().take(index).any(|it| it.name() == name) {
                    let found = format!("`{name}`, as another one is called");
                    flaws.say("prompt-grader", found, "a name that no other grader has");
                }
            });
        }
    }

    pub(super) fn check_grader(&mut self, check: &GraderCheck) {
        self.within("name", |flaws| flaws.check_name(&check.name, 100));
        if let Some(threshold) = check.threshold {
            self.within("threshold", |flaws| flaws.check_share(threshold));
        }
        // Who brings it comes after the file was read. It can be said then where it is named.
        if self.suite.graders.named(&check.name).is_none() && self.suite.graders.has(&check.name) {
            self.add(|object| Problem::new(NAMED, object).found(&check.name).warning());
        }
    }

    /// Where in its file a check stands that names this grader, before its path: `suite.yaml:9:12, `.
    pub(super) fn placed(&self, name: &str) -> String {
        let place = self.suite.graders.place(&self.path(), name);
        place.map(|place| format!("{place}, ")).unwrap_or_default()
    }
}
