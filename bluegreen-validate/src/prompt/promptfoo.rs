//! promptfoo's files, as they are.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bluegreen_core::Problem;

use super::suite::{Agent, Case, Suite};
use crate::config_error::{self, ConfigError};
use crate::document::{self, Source, Step};

mod agent;
mod assertion;
mod expand;
mod files;
mod form;
mod graded;
mod prompts;
mod table;
mod values;
mod walk;

use files::Files;
use form::{Config, Scenario, Test, TestEntry, Tests};
use graded::Grading;
use prompts::Prompt;

/// More cases than any suite may have.
const MOST: usize = 10_000;

/// Whether the keys of a file's outermost map are promptfoo's.
pub(super) fn is_one(keys: &[&str]) -> bool {
    let names = ["tests", "prompts", "providers", "targets", "scenarios", "defaultTest"];
    names.iter().any(|name| keys.contains(name))
}

/// Reads a file. Without an agent it must name one that is known here.
pub(super) fn from_file(path: &Path, agent: Option<Agent>) -> Result<Suite, ConfigError> {
    let name = path.display().to_string();
    let directory = path.parent().unwrap_or(Path::new("."));
    from_text(&name, &config_error::text_of(path)?, directory, agent)
}

/// Reads a text; the files that it names are looked for from `directory` on.
pub(super) fn from_text(
    name: &str,
    text: &str,
    directory: &Path,
    agent: Option<Agent>,
) -> Result<Suite, ConfigError> {
    let files = Files::new(directory);
    let refuse = |problems| ConfigError::new(name, problems);
    let source = Source { name, text };
    let config = document::read(source, |config: &Config, original| {
        let mut loading = Loading::new(&files);
        loading.suite(config, agent.clone());
        let problems = loading.problems.into_iter();
        problems.map(|(path, problem)| (original(&path), problem)).collect()
    })
    .map_err(refuse)?;
    let mut loading = Loading::new(&files);
    loading.suite(&config, agent).ok_or_else(|| refuse(Vec::new()))
}

/// What has been read so far, and what is wrong with it.
struct Loading<'a> {
    files: &'a Files,
    at: Vec<Step>,
    problems: Vec<(Vec<Step>, Problem)>,
    cases: Vec<Case>,
    names: HashMap<String, usize>,
    templates: BTreeMap<String, form::Assert>,
    /// The names of the templates within which the reading is, and how many were read since it
    /// came into the first.
    leads: (Vec<String>, usize),
    prompts: Vec<Prompt>,
    /// What the test that is read says about how it is graded.
    grading: Grading,
}

impl<'a> Loading<'a> {
    fn new(files: &'a Files) -> Self {
        Self {
            files,
            at: Vec::new(),
            problems: Vec::new(),
            cases: Vec::new(),
            names: HashMap::new(),
            templates: BTreeMap::new(),
            leads: (Vec::new(), 0),
            prompts: Vec::new(),
            grading: Grading::default(),
        }
    }

    fn within<T>(&mut self, step: impl Into<Step>, look: impl FnOnce(&mut Self) -> T) -> T {
        self.at.push(step.into());
        let result = look(self);
        self.at.pop();
        result
    }

    fn say(&mut self, found: impl Into<String>, wanted: impl Into<String>) {
        let object = document::text_of(&self.at);
        let problem = Problem::new("promptfoo", object).found(found).wanted(wanted);
        self.problems.push((self.at.clone(), problem));
    }

    /// Takes what another file is refused for.
    fn take(&mut self, problems: Vec<Problem>) {
        for mut problem in problems {
            problem.object = format!("{}, {}", document::text_of(&self.at), problem.object);
            self.problems.push((self.at.clone(), problem));
        }
    }

    fn suite(&mut self, config: &Config, agent: Option<Agent>) -> Option<Suite> {
        self.templates = config.assertion_templates.clone().unwrap_or_default();
        self.prompts = self.within("prompts", |it| prompts::read(it, config.prompts.as_ref()));
        let agent = agent.or_else(|| self.agent(config));
        let default = self.within("defaultTest", |it| it.default_test(config));
        if let Some(tests) = &config.tests {
            self.within("tests", |it| it.tests(tests, &default));
        }
        for (index, scenario) in config.scenarios.iter().flatten().enumerate() {
            self.within("scenarios", |it| {
                it.within(index, |it| it.scenario(scenario, &default));
            });
        }
        if self.cases.is_empty() && self.problems.is_empty() {
            self.say("no tests", "at least one test in `tests` or `scenarios`");
        }
        if self.cases.len() > MOST {
            self.say(format!("{} cases", self.cases.len()), format!("at most {MOST}"));
        }
        let agent = agent.filter(|_| self.problems.is_empty())?;
        let mut suite = Suite::new(agent, std::mem::take(&mut self.cases));
        suite.strict_templates = false;
        if let Some(options) = &config.evaluate_options {
            options.apply(&mut suite);
        }
        Some(suite)
    }

    fn default_test(&mut self, config: &Config) -> Test {
        match &config.default_test {
            None => Test::default(),
            Some(TestEntry::Test(test)) => (**test).clone(),
            Some(TestEntry::File(name)) => match self.files.tests(name) {
                Ok(mut tests) if tests.len() == 1 => tests.remove(0),
                Ok(tests) => {
                    self.say(format!("{} tests in {name}", tests.len()), "one");
                    Test::default()
                }
                Err(problems) => {
                    self.take(problems);
                    Test::default()
                }
            },
        }
    }

    fn tests(&mut self, tests: &Tests, default: &Test) {
        for (index, entry) in tests.0.iter().enumerate() {
            let look = |it: &mut Self| it.entry(entry, default);
            if tests.1 { self.within(index, look) } else { look(self) }
        }
    }

    fn entry(&mut self, entry: &TestEntry, default: &Test) {
        let name = match entry {
            TestEntry::File(name) => name,
            TestEntry::Test(test) => match &test.path {
                Some(path) => path,
                None => return self.test(&test.over(default)),
            },
        };
        match self.files.tests(name) {
            Ok(tests) if tests.is_empty() => {
                self.say(format!("no tests in {name}"), "at least one");
            }
            Ok(tests) => tests.iter().for_each(|test| self.test(&test.over(default))),
            Err(problems) => self.take(problems),
        }
    }

    fn scenario(&mut self, scenario: &Scenario, default: &Test) {
        let none = Tests(vec![TestEntry::Test(Box::default())], true);
        let tests = scenario.tests.as_ref().unwrap_or(&none);
        if scenario.config.is_empty() {
            self.say("a scenario without `config`", "a list of maps with `vars`");
        }
        for config in &scenario.config {
            // What a test says wins over what the scenario says, also in its assertions.
            self.within("tests", |it| it.tests(tests, &config.before(default)));
        }
    }

    /// A name that no other case has.
    fn name(&mut self, wanted: &str) -> String {
        let plain: String = wanted.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut name: String = plain.trim().chars().take(80).collect();
        if name.is_empty() {
            name = format!("test {}", self.cases.len() + 1);
        }
        let count = self.names.entry(name.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { name } else { format!("{name} ({count})") }
    }
}

#[cfg(test)]
mod tests;
