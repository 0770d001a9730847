//! Cases of a file, each made ready when it is asked.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use bluegreen_core::Problem;

use super::{Flaws, PreparedCase, one};
use crate::document::{self, Source, Step};
use crate::paired::Traits;
use crate::prompt::ask::Asker;
use crate::prompt::assess::{Kit, Schema, Workshop};
use crate::prompt::suite::{Case, CaseFile, Message, Opened, Suite};
use crate::prompt::template::Templates;

/// More of what requests can't be made for than anybody reads.
const MOST_FAULTS: usize = 100;

const CRITICAL: u8 = 1;
const QUARANTINED: u8 = 2;

/// The cases of a file that are run.
pub(super) struct Filed {
    file: CaseFile,
    /// The suite without cases: what each is made ready with.
    suite: Suite,
    /// Which of the file each is, where some are left out.
    places: Option<Vec<u32>>,
    flags: Vec<u8>,
    categories: Labels,
    groups: Labels,
    /// The questions of all of them, turn by turn.
    pub(super) turns: u64,
    kit: Mutex<Kit>,
}

/// A text of some cases, of which many have the same.
#[derive(Default)]
struct Labels {
    names: Vec<String>,
    /// For each case one more than the place of its text, 0 for none; as far as the last that has one.
    of: Vec<u32>,
}

impl Labels {
    fn set(&mut self, known: &mut HashMap<String, u32>, index: usize, name: Option<String>) {
        let Some(name) = name else { return };
        let next = u32::try_from(self.names.len() + 1).unwrap_or(u32::MAX);
        let label = *known.entry(name.clone()).or_insert(next);
        if label == next {
            self.names.push(name);
        }
        self.of.resize(index, 0);
        self.of.push(label);
    }

    fn get(&self, index: usize) -> Option<&str> {
        let label = self.of.get(index)?.checked_sub(1)?;
        self.names.get(label as usize).map(String::as_str)
    }
}

impl Filed {
    pub(super) fn len(&self) -> usize {
        self.flags.len()
    }

    fn place(&self, index: usize) -> usize {
        match &self.places {
            Some(places) => places.get(index).map_or(usize::MAX, |place| *place as usize),
            None => index,
        }
    }

    pub(super) fn name(&self, index: usize) -> String {
        let opened = self.file.opened();
        opened.map_or_else(|_| String::new(), |opened| opened.name(self.place(index)))
    }

    pub(super) fn traits(&self, index: usize) -> Traits<'_> {
        let flags = self.flags.get(index).copied().unwrap_or_default();
        Traits {
            category: self.categories.get(index),
            conversation: self.groups.get(index),
            critical: flags & CRITICAL != 0,
            quarantined: flags & QUARANTINED != 0,
        }
    }

    /// A case, to be asked.
    ///
    /// # Errors
    /// Why it is none any more.
    pub(super) fn get(
        &self,
        index: usize,
        templates: &Templates,
        tools: &[(String, Arc<Schema>)],
    ) -> Result<Arc<PreparedCase>, String> {
        let opened = self.file.opened()?;
        let case = opened.case(self.place(index))?;
        let mut kit = self.kit.lock().unwrap_or_else(PoisonError::into_inner);
        let mut workshop = Workshop::with(templates, tools.to_vec(), std::mem::take(&mut *kit));
        let mut flaws = Flaws::new(&self.suite, &<[Step]>::to_vec);
        let ready = one(&self.suite, &case, &mut flaws, &mut workshop);
        *kit = workshop.put_away();
        drop(kit);
        let mut ready = ready.filter(|_| !flaws.is_refused()).ok_or_else(|| {
            // It has been looked at before, and is the same as then.
            format!("case {} can't be made ready", case.id)
        })?;
        if !self.suite.graders.brought().is_empty() {
            ready.written = Some(Arc::new(case));
        }
        Ok(Arc::new(ready))
    }
}

/// Looks at all cases of a file, one after the other.
pub(super) fn look_through(
    file: &CaseFile,
    flaws: &mut Flaws<'_>,
    workshop: &mut Workshop<'_>,
    asker: Option<&Asker>,
    skipped: &mut Vec<(String, String)>,
) -> Option<Filed> {
    let suite = flaws.suite;
    let opened = match file.opened() {
        Ok(opened) => opened,
        Err(found) => {
            flaws.say("prompt-case", found, "a file of JSON Lines, each of them a case");
            return None;
        }
    };
    let alone = suite.without_cases();
    let mut filed = Filed {
        file: file.clone(),
        suite: alone,
        places: None,
        flags: Vec::new(),
        categories: Labels::default(),
        groups: Labels::default(),
        turns: 0,
        kit: Mutex::default(),
    };
    let (mut categories, mut groups) = (HashMap::new(), HashMap::new());
    let mut names: Vec<u64> = suite.cases.iter().map(|case| hash(&case.id)).collect();
    let mut faults = BTreeSet::new();
    // Whether it is known of all whether they can be asked, since it is of one.
    let is_alike = asker.is_some_and(Asker::asks_all_alike);
    let mut is_known = false;
    let path = file.path().display().to_string();
    for place in 0..opened.len() {
        let line = format!("{path}:{}", opened.number(place));
        flaws.on_line(place, line.clone(), |flaws| {
            let Some(case) = read(opened, place, &line, flaws) else { return };
            flaws.is_on(&case.id);
            names.push(hash(&case.id));
            let Some(ready) = one(suite, &case, flaws, workshop) else { return };
            workshop.tidy();
            if let Some(what) = suite.unsupported(&case) {
                skipped.push((case.id, what));
                let run = u32::try_from(filed.flags.len()).unwrap_or(u32::MAX);
                filed.places.get_or_insert_with(|| (0..run).collect());
                return;
            }
            if !is_known
                && faults.len() < MOST_FAULTS
                && let Some(asked) = asked(&ready, asker, workshop.templates)
            {
                is_known = is_alike;
                if let Err(found) = asked
                    && faults.insert(found.clone())
                {
                    let wanted = "a request that can be made of the agent's templates";
                    flaws.say("prompt-agent", found, wanted);
                }
            }
            let index = filed.flags.len();
            if let Some(places) = &mut filed.places {
                places.push(u32::try_from(place).unwrap_or(u32::MAX));
            }
            let critical = if ready.critical { CRITICAL } else { 0 };
            let quarantined = if ready.quarantined { QUARANTINED } else { 0 };
            filed.flags.push(critical | quarantined);
            filed.turns += ready.turns.len() as u64;
            filed.categories.set(&mut categories, index, ready.category);
            filed.groups.set(&mut groups, index, ready.group);
        });
    }
    names.sort_unstable();
    let again: HashSet<u64> =
        names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    drop(names);
    if !again.is_empty() {
        check_names(&again, opened, &path, flaws);
    }
    filed.flags.shrink_to_fit();
    filed.categories.of.shrink_to_fit();
    filed.groups.of.shrink_to_fit();
    Some(filed)
}

/// The case of a line, or what is wrong with its form.
fn read(opened: &Opened, place: usize, line: &str, flaws: &mut Flaws<'_>) -> Option<Case> {
    let text = match opened.text(place) {
        Ok(text) => text,
        Err(found) => {
            flaws.say("malformed-definition", found, "a case as JSON");
            return None;
        }
    };
    let source = Source { name: ".json", text: &text };
    match document::read::<Case>(source, |_, _| Vec::new()) {
        Ok(case) => Some(case),
        Err(problems) => {
            for mut problem in problems {
                let at = problem.object.strip_prefix(".json:1:").unwrap_or(&problem.object);
                let object = format!("{}, {line}:{at}", flaws.suite.name);
                problem.object = object;
                flaws.add(|_| problem);
            }
            None
        }
    }
}

/// Whether the first request of a case can be made, or why not. Nothing if it asks nothing.
fn asked(
    case: &PreparedCase,
    asker: Option<&Asker>,
    templates: &Templates,
) -> Option<Result<(), String>> {
    let messages = case.turns.first().map(|turn| &turn.messages).filter(|all| !all.is_empty())?;
    let messages: Vec<_> = messages.iter().map(Message::sent).collect();
    Some(asker?.request(templates, &case.vars, &messages, "c0").map(drop))
}

/// Says which names several cases have, of those that may be.
fn check_names(again: &HashSet<u64>, opened: &Opened, path: &str, flaws: &mut Flaws<'_>) {
    let mut known: HashMap<String, String> = HashMap::new();
    for (index, case) in flaws.suite.cases.iter().enumerate() {
        if again.contains(&hash(&case.id)) {
            known.entry(case.id.clone()).or_insert_with(|| format!("cases[{index}]"));
        }
    }
    for place in 0..opened.len() {
        let name = opened.name(place);
        if !again.contains(&hash(&name)) {
            continue;
        }
        let number = opened.number(place);
        let Some(first) = known.get(&name) else {
            known.insert(name, format!("line {number}"));
            continue;
        };
        let found = format!("`{name}`, which {first} has too");
        flaws.on_line(place, format!("{path}:{number}"), |flaws| {
            flaws.is_on(&name);
            flaws.add(|object| {
                let problem = Problem::new("prompt-case", format!("{object}, id"));
                problem.found(found).wanted("a name that no other case has")
            });
        });
    }
}

fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
