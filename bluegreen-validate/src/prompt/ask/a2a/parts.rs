//! Parts of messages and artifacts.

use serde_json::Value;

use super::super::Reply;
use crate::prompt::answer::Answer;

/// More parts, or artifacts, than an answer has that is meant to be read.
const MOST: usize = 1000;

/// What parts come to: text, and data beside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// Texts that stand on lines of their own.
    texts: Vec<String>,
    data: Vec<Value>,
    /// Parts of other kinds: files, which are not looked at.
    others: usize,
}

impl Parts {
    /// Those of a message, each text on a line of its own.
    pub(super) fn of(message: &Value) -> Result<Self, Reply> {
        let mut parts = Self::default();
        for part in list(message)? {
            match part.get("text").and_then(Value::as_str) {
                Some(text) => parts.texts.push(text.to_owned()),
                None => parts.take_other(part),
            }
        }
        Ok(parts)
    }

    /// Goes on with those of an artifact, whose texts are pieces of one.
    fn go_on(&mut self, artifact: &Value) -> Result<bool, Reply> {
        let mut has_any = false;
        for part in list(artifact)? {
            match part.get("text").and_then(Value::as_str) {
                Some("") => continue,
                Some(text) => match self.texts.last_mut() {
                    Some(last) => last.push_str(text),
                    None => self.texts.push(text.to_owned()),
                },
                None => self.take_other(part),
            }
            has_any = true;
        }
        Ok(has_any)
    }

    fn take_other(&mut self, part: &Value) {
        match part.get("data").filter(|it| !it.is_null()) {
            Some(data) => self.data.push(data.clone()),
            None => self.others += 1,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.texts.iter().all(String::is_empty) && self.data.is_empty() && self.others == 0
    }

    /// Whether nothing of it can be looked at.
    pub(super) fn says_nothing(&self) -> bool {
        self.texts.iter().all(String::is_empty) && self.data.is_empty()
    }

    /// Whether there are more of them than can be compared in a moment.
    pub(super) fn are_too_many(&self) -> bool {
        self.texts.len() + self.data.len() + self.others > MOST
    }

    pub(super) fn text(&self) -> String {
        self.texts.join("\n")
    }

    /// Adds what another has, unless its text stands here already: many agents say it twice.
    pub(super) fn push_unless_known(&mut self, other: Self) {
        if other.texts.iter().any(|it| !self.texts.contains(it)) {
            self.texts.extend(other.texts);
        }
        self.data.extend(
            other.data.into_iter().filter(|it| !self.data.contains(it)).collect::<Vec<_>>(),
        );
        self.others += other.others;
    }

    /// Makes an answer of them.
    pub(super) fn answer(self, answer: &mut Answer) {
        answer.text = self.text();
        if answer.text.is_empty() && !self.data.is_empty() {
            let mut data = self.data;
            let json = if data.len() == 1 { data.swap_remove(0) } else { Value::Array(data) };
            answer.text = json.to_string();
            answer.json = Some(json);
        }
    }
}

/// Artifacts by their ids, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Artifacts(Vec<(String, Parts)>);

impl Artifacts {
    /// Those of a task.
    pub(super) fn of(artifacts: &Value) -> Result<Self, Reply> {
        let Some(artifacts) = artifacts.as_array() else {
            return Err(Reply::Malformed("artifacts that are no list".to_owned()));
        };
        let mut found = Self::default();
        for artifact in artifacts {
            let mut parts = Parts::default();
            parts.go_on(artifact)?;
            found.0.push((id(artifact), parts));
        }
        Ok(found)
    }

    /// Takes an artifact that is new, or the next piece of one; whether there is anything in it.
    pub(super) fn update(&mut self, update: &Value) -> Result<bool, Reply> {
        let Some(artifact) = update.get("artifact").filter(|it| it.is_object()) else {
            return Err(Reply::Malformed("an update of no artifact".to_owned()));
        };
        let id = id(artifact);
        let known = self.0.iter().position(|(known, _)| *known == id);
        let index = known.unwrap_or(self.0.len());
        if known.is_none() {
            if self.0.len() == MOST {
                return Err(Reply::Malformed(format!("more than {MOST} artifacts")));
            }
            self.0.push((id, Parts::default()));
        }
        let parts = &mut self.0[index].1;
        if update.get("append").and_then(Value::as_bool) != Some(true) {
            *parts = Parts::default();
        }
        parts.go_on(artifact)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, parts)| parts.is_empty())
    }

    /// All of them together.
    pub(super) fn together(self) -> Parts {
        let mut whole = Parts::default();
        for (_, parts) in self.0 {
            whole.texts.extend(parts.texts);
            whole.data.extend(parts.data);
            whole.others += parts.others;
        }
        whole
    }
}

fn id(artifact: &Value) -> String {
    artifact.get("artifactId").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list(of: &Value) -> Result<&[Value], Reply> {
    let parts = of.get("parts").and_then(Value::as_array);
    parts.map(Vec::as_slice).ok_or_else(|| Reply::Malformed("no list of parts".to_owned()))
}
