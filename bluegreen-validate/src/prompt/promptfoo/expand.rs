//! From a test to its cases: one for each combination of variables and each prompt.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::files::Files;
use super::form::Test;
use super::graded::Grading;
use super::prompts::Prompt;
use super::{Loading, MOST};
use crate::prompt::suite::{Assertion, Case, Turn};

/// Options that change what is asked or looked at, and are not followed here.
const OPTIONS: [&str; 5] = ["postprocess", "repeat", "storeOutputAs", "transform", "transformVars"];

impl Loading<'_> {
    /// Adds the cases of a test.
    pub(super) fn test(&mut self, test: &Test) {
        self.grading = Grading::of(test);
        let asserts = self.assertions(test.assert.as_deref().unwrap_or_default());
        let combinations = self.combinations(test);
        let prompts = self.prompts_of(test);
        let unsupported = unsupported(test);
        for vars in combinations {
            for prompt in &prompts {
                if self.cases.len() > MOST {
                    return;
                }
                let case = self.case(test, &vars, prompt, asserts.clone(), unsupported.as_deref());
                self.cases.push(case);
            }
        }
    }

    fn case(
        &mut self,
        test: &Test,
        vars: &BTreeMap<String, Value>,
        prompt: &Prompt,
        mut assert: Vec<Assertion>,
        unsupported: Option<&str>,
    ) -> Case {
        if let Some(what) = unsupported.or(prompt.unsupported.as_deref()) {
            assert.push(super::assertion::unsupported(what, None));
        }
        let name = self.name(test.description.as_deref().unwrap_or_default());
        let mut case = Case::new(name, "");
        case.vars.clone_from(vars);
        case.threshold = test.threshold;
        case.assert = assert;
        let note = |name: &str| test.metadata.get(name).and_then(Value::as_str).map(str::to_owned);
        case.category = note("category");
        case.group = note("conversationId");
        let around = |name: &str| test.option(name).and_then(Value::as_str).unwrap_or_default();
        let (prefix, suffix) = (around("prefix"), around("suffix"));
        if let Some(asked) = &prompt.turn.prompt {
            case.prompt = Some(format!("{prefix}{asked}{suffix}"));
        } else {
            case.prompt = None;
            let mut turn: Turn = prompt.turn.clone();
            if let Some(last) = turn.messages.last_mut()
                && let Value::String(asked) = &last.content
            {
                last.content = format!("{prefix}{asked}{suffix}").into();
            }
            case.turns = vec![turn];
        }
        case
    }

    fn prompts_of(&mut self, test: &Test) -> Vec<Prompt> {
        let Some(names) = &test.prompts else { return self.prompts.clone() };
        let mut chosen = Vec::new();
        for name in names {
            let group = name.strip_suffix('*');
            let fits = |label: &str| group.map_or(label == name, |it| label.starts_with(it));
            let found: Vec<Prompt> =
                self.prompts.iter().filter(|it| fits(&it.label)).cloned().collect();
            if found.is_empty() {
                self.say(format!("`{name}`"), "the label or id of a prompt");
            }
            chosen.extend(found);
        }
        chosen
    }

    /// All combinations of the variables' values.
    fn combinations(&mut self, test: &Test) -> Vec<BTreeMap<String, Value>> {
        let mut all = Map::new();
        for name in test.vars.iter().flat_map(|vars| &vars.files) {
            match self.vars_of(name) {
                Ok(vars) => all.extend(vars),
                Err(found) => self.say(found, "a file with a map of variables"),
            }
        }
        all.extend(test.vars.iter().flat_map(|vars| vars.values.clone()));
        let whole = test.option("disableVarExpansion") == Some(&Value::Bool(true));
        let mut combinations = vec![BTreeMap::new()];
        for (name, value) in all {
            let values = match self.values(&value) {
                Ok(values) if whole && values.len() > 1 => vec![value],
                Ok(values) => values,
                Err(found) => {
                    self.within("vars", |it| {
                        it.within(name.as_str(), |it| {
                            it.say(found, "a value, or a file that can be read");
                        });
                    });
                    continue;
                }
            };
            let count = combinations.len().checked_mul(values.len());
            if count.is_none_or(|count| count > MOST) {
                let found = count.map_or("too many".to_owned(), |count| count.to_string());
                self.say(format!("{found} combinations of variables"), format!("at most {MOST}"));
                return Vec::new();
            }
            let mut next = Vec::with_capacity(combinations.len() * values.len());
            for combination in &combinations {
                for value in &values {
                    let mut combination: BTreeMap<String, Value> = combination.clone();
                    combination.insert(name.clone(), value.clone());
                    next.push(combination);
                }
            }
            combinations = next;
        }
        combinations
    }

    fn vars_of(&self, name: &str) -> Result<Map<String, Value>, String> {
        let mut vars = Map::new();
        for file in self.files.find(name)? {
            match Files::value(&file)? {
                Value::Object(entries) => vars.extend(entries),
                _ => return Err(format!("`{}`, which is no map", file.display())),
            }
        }
        Ok(vars)
    }

    /// The values of a variable: several where it is a list that begins with a text, or a pattern
    /// for files.
    fn values(&self, value: &Value) -> Result<Vec<Value>, String> {
        match value {
            Value::String(text) if text.starts_with("file://") => {
                let files = self.files.find(text)?;
                // What is in a file is a text, also where that is JSON.
                let text = |value: Value| match value {
                    Value::String(text) => Value::String(text),
                    other => Value::String(other.to_string()),
                };
                files.iter().map(|file| Files::value(file).map(text)).collect()
            }
            Value::String(text) => Ok(vec![text.strip_suffix('\n').unwrap_or(text).into()]),
            Value::Array(items) if items.first().is_some_and(Value::is_string) => {
                let values = items.iter().map(|item| self.values(item));
                Ok(values.collect::<Result<Vec<_>, _>>()?.concat())
            }
            other => Ok(vec![other.clone()]),
        }
    }
}

/// What a test wants that is not there.
fn unsupported(test: &Test) -> Option<String> {
    let named = [
        ("provider", test.provider.is_some()),
        ("providers", test.providers.is_some()),
        ("providerOutput", test.provider_output.is_some()),
        ("assertScoringFunction", test.assert_scoring_function.is_some()),
    ];
    let named = named.into_iter().find(|(_, is_there)| *is_there).map(|(name, _)| name);
    let option = || OPTIONS.into_iter().find(|name| test.option(name).is_some());
    test.unsupported.clone().or_else(|| named.or_else(option).map(str::to_owned))
}
