//! What is wrong with those who grade, and with what they are asked.

use std::collections::BTreeMap;

use super::Flaws;
use crate::HeaderText;
use crate::prompt::judge::Place;
use crate::prompt::suite::{Check, EmbeddingModel, FactScores, JudgeModel, Prices, Webhook};

/// More judges than agree on anything.
const MOST: usize = 15;
/// Fields that are filled in here.
const FILLED: [&str; 5] = ["messages", "model", "stream", "stream_options", "n"];

impl Flaws<'_> {
    pub(super) fn check_graders(&mut self) {
        let suite = self.suite;
        self.within("judges", |flaws| {
            if suite.judges.len() > MOST {
                let found = format!("{} judges", suite.judges.len());
                flaws.say("prompt-judge", found, format!("at most {MOST}"));
            }
            for (index, judge) in suite.judges.iter().enumerate() {
                flaws.within(index, |flaws| {
                    flaws.check_judge(judge);
                    let before = suite.judges.iter().take(index);
                    if before.clone().any(|it| it.name() == judge.name()) {
                        let found = format!("`{}`, as another one is called", judge.name());
                        flaws.say("prompt-judge", found, "a `name` that no other judge has");
                    }
                });
            }
        });
        self.within("graders", Self::check_brought);
        if let Some(model) = &suite.embeddings {
            self.within("embeddings", |flaws| flaws.check_embeddings(model));
        }
    }

    fn check_judge(&mut self, judge: &JudgeModel) {
        self.within("name", |flaws| flaws.check_name(judge.name(), 100));
        self.check_place(&judge.url, "/chat/completions");
        self.check_model(&judge.model);
        self.check_own_headers(&judge.headers);
        self.check_prices(judge.prices);
        for name in FILLED {
            if judge.parameters.contains_key(name) {
                self.along(&["parameters".into(), name.into()], |flaws| {
                    flaws.say("prompt-judge", name, "no field that is filled in here");
                });
            }
        }
    }

    fn check_embeddings(&mut self, model: &EmbeddingModel) {
        self.check_place(&model.url, "/embeddings");
        self.check_model(&model.model);
        self.check_own_headers(&model.headers);
        self.check_prices(model.prices);
    }

    fn check_model(&mut self, model: &str) {
        self.within("model", |flaws| {
            if model.trim().is_empty() || model.contains("{{") {
                flaws.say("prompt-judge", format!("`{model}`"), "the name of a model");
            }
        });
    }

    fn check_place(&mut self, url: &str, below: &str) {
        self.within("url", |flaws| {
            if let Err(found) = Place::parse(url, below) {
                let wanted = "an address like `https://models.example/v1`";
                flaws.say("prompt-judge", found, wanted);
            }
        });
    }

    fn check_prices(&mut self, prices: Option<Prices>) {
        let Some(prices) = prices else { return };
        self.check_each_price(prices);
        if self.suite.prices.is_none() {
            let found = "prices of a judge, and none of the agent";
            self.within("prices", |flaws| {
                flaws.say("prompt-judge", found, "`prices` of the suite, too");
            });
        }
    }

    fn check_own_headers(&mut self, headers: &BTreeMap<String, HeaderText>) {
        self.within("headers", |flaws| flaws.check_header_map(headers));
    }

    /// What a check that is graded wants.
    pub(super) fn check_graded(&mut self, check: &Check) {
        match check {
            Check::LlmRubric(it) => {
                self.check_measure(&it.rubric);
                if let Some(threshold) = it.threshold {
                    self.within("threshold", |flaws| flaws.check_share(threshold));
                }
            }
            Check::ClosedQa(it) => {
                self.check_measure(&it.rubric);
                if it.threshold.is_some() {
                    self.within("threshold", |flaws| {
                        flaws.say("prompt-assertion", "a threshold", "none: it is yes or no");
                    });
                }
            }
            Check::Factuality(it) => {
                self.check_measure(&it.expected);
                self.within("scores", |flaws| flaws.check_scores(&it.scores));
            }
            Check::GEval(it) => {
                self.check_list(it.criteria.len());
                it.criteria.iter().for_each(|criterion| self.check_measure(criterion));
                self.within("threshold", |flaws| flaws.check_share(it.threshold));
            }
            Check::Pairwise(it) => self.check_measure(&it.criteria),
            Check::AnswerRelevance(it) => self.check_least(it.threshold),
            Check::ContextRecall(it) => {
                self.check_measure(&it.expected);
                self.check_least(it.threshold);
            }
            Check::ContextRelevance(it) | Check::ContextFaithfulness(it) => {
                self.check_least(it.threshold);
            }
            Check::Similar(like) => {
                self.check_likeness(like);
                like.to.iter().for_each(|text| self.check_measure(text));
            }
            Check::Webhook(hook) => self.check_hook(hook),
            Check::Grader(it) => self.check_grader(it),
            _ => {}
        }
    }

    fn check_hook(&mut self, hook: &Webhook) {
        self.check_place(&hook.url, "");
        self.check_own_headers(&hook.headers);
    }

    fn check_measure(&mut self, text: &str) {
        if text.trim().is_empty() {
            self.say("prompt-assertion", "an empty text", "what the answer is graded by");
        }
    }

    fn check_least(&mut self, threshold: f64) {
        self.within("threshold", |flaws| flaws.check_share(threshold));
    }

    fn check_scores(&mut self, scores: &FactScores) {
        let all = scores.all();
        if all.iter().any(|it| !(0.0..=1.0).contains(it)) {
            self.say("prompt-assertion", format!("{all:?}"), "scores from 0 to 1");
        } else if all.iter().all(|it| *it > 0.0) || all.iter().all(|it| *it <= 0.0) {
            let wanted = "one that is worth nothing, and one that is worth something";
            self.say("prompt-assertion", format!("{all:?}"), wanted);
        }
    }
}
