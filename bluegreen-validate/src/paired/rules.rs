//! What is asked of the candidate.

use bluegreen_core::Problem;
use serde::{Deserialize, Serialize};

/// What is asked of the candidate: how much worse it may be, and how sure one has to be.
///
/// All fields have defaults, unknown fields are refused, and [`problems`](Self::problems) tells
/// everything that is wrong with the values at once. Shares and margins are fractions: 0.05 is 5
/// points.
///
/// ```
/// use bluegreen_validate::paired::Rules;
///
/// let rules: Rules = serde_json::from_str(r#"{"margin": 0.03, "repeats": 5}"#)?;
/// assert!(rules.problems().is_empty());
/// assert_eq!(rules.category_margin, 0.10);
/// assert!(serde_json::from_str::<Rules>(r#"{"margn": 0.03}"#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Rules {
    /// How far the candidate's pass rate may be below that of live, over all cases: 0.05.
    pub margin: f64,
    /// The same within one category: 0.10. It is larger because a category has fewer cases.
    pub category_margin: f64,
    /// The risk of each error, one-sided: to let a candidate pass that is worse by the margin, and
    /// to fail one that is not. 0.05.
    pub alpha: f64,
    /// How often each case is asked on each slot: 3.
    pub repeats: u32,
    /// Of the repeats of a critical case, so many failures on idle fail the candidate, unless live
    /// failed as many. More than half of the repeats unless set: 2 of 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub critical_failures: Option<u32>,
    /// The share of pairs of attempts that may be lost to errors: 0.05. With more, the verdict is
    /// never a pass.
    pub error_budget: f64,
    /// With fewer cases than this the verdict is never a pass: 20.
    pub min_cases: u32,
    /// A category with fewer cases than this is not judged by itself, only as part of the whole,
    /// and the verdict says so: 30. With 30 cases that agree, 10 points can just be told.
    pub min_category_cases: u32,
    /// The pass rate that live itself must have: 0.5. Where nearly everything fails on both slots
    /// they do not differ either, and that is no reason to release. Answers of live to which only
    /// the candidate's was preferred count as if they had passed.
    pub min_live_rate: f64,
    /// The largest share of cases that may be in quarantine: 0.1.
    pub max_quarantined: f64,
    /// How far the candidate's mean score may be below that of live. Not asked for unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_margin: Option<f64>,
    /// The chance to see that a candidate is as good as live which a suite should have: 0.8.
    /// It is what [`Power`](super::Power) is computed for, and changes no verdict.
    pub power: f64,
    /// What the bootstrap draws its samples by. The same seed gives the same verdict.
    pub seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            margin: 0.05,
            category_margin: 0.10,
            alpha: 0.05,
            repeats: 3,
            critical_failures: None,
            error_budget: 0.05,
            min_cases: 20,
            min_category_cases: 30,
            min_live_rate: 0.5,
            max_quarantined: 0.1,
            score_margin: None,
            power: 0.8,
            seed: 1,
        }
    }
}

impl Rules {
    /// The most repeats.
    pub(super) const MOST_REPEATS: u32 = 1000;

    /// How many failures on idle fail the candidate in a critical case.
    pub fn critical_failures(&self) -> u32 {
        self.critical_failures.unwrap_or(self.repeats / 2 + 1)
    }

    /// Everything that is wrong with the values.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut within = |field: &str, value: f64, wanted: &str, good: bool| {
            // NaN compares as false and so is never good.
            if !good {
                let object = format!("rules.{field}");
                let problem = Problem::new("prompt-rules", object).found(value.to_string());
                problems.push(problem.wanted(wanted));
            }
        };
        let Self { margin, category_margin, alpha, power, .. } = *self;
        let inside = |value: f64| 0.0 < value && value < 1.0;
        let margins = "more than 0 and less than 1, a share: 0.05 is 5 points";
        within("margin", margin, margins, inside(margin));
        within("category_margin", category_margin, margins, inside(category_margin));
        if let Some(margin) = self.score_margin {
            let wanted = "more than 0 and less than 1, on the scale of the scores";
            within("score_margin", margin, wanted, inside(margin));
        }
        let wanted = "at least 0.0001 and less than 0.5";
        within("alpha", alpha, wanted, (0.0001..0.5).contains(&alpha));
        within("power", power, "at least 0.5 and less than 1", (0.5..1.0).contains(&power));
        let half = "0 to 0.5, a share";
        for (field, value) in
            [("error_budget", self.error_budget), ("max_quarantined", self.max_quarantined)]
        {
            within(field, value, half, (0.0..=0.5).contains(&value));
        }
        let rate = self.min_live_rate;
        within("min_live_rate", rate, "0 to 1, a share", (0.0..=1.0).contains(&rate));
        let count = |value: u32| f64::from(value);
        let Self { repeats, min_cases, min_category_cases, .. } = *self;
        let most = Self::MOST_REPEATS;
        let wanted = format!("1 to {most}");
        within("repeats", count(repeats), &wanted, (1..=most).contains(&repeats));
        if let Some(failures) = self.critical_failures {
            let wanted = format!("1 to {}, the repeats", repeats.max(1));
            let good = (1..=repeats.max(1)).contains(&failures);
            within("critical_failures", count(failures), &wanted, good);
        }
        within("min_cases", count(min_cases), "at least 2", min_cases >= 2);
        let good = min_category_cases >= 2;
        within("min_category_cases", count(min_category_cases), "at least 2", good);
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_fine() {
        assert_eq!(Rules::default().problems(), []);
    }

    #[test]
    fn all_problems_come_at_once_with_the_values() {
        let rules = Rules {
            margin: 5.0,
            category_margin: f64::NAN,
            alpha: 0.5,
            repeats: 0,
            critical_failures: Some(4),
            error_budget: -0.1,
            min_cases: 1,
            min_category_cases: 0,
            min_live_rate: 1.1,
            max_quarantined: 0.6,
            score_margin: Some(0.0),
            power: 1.0,
            seed: 0,
        };
        let problems = rules.problems();
        let named: Vec<_> = problems.iter().map(|problem| problem.object.as_str()).collect();
        assert_eq!(
            named,
            [
                "rules.margin",
                "rules.category_margin",
                "rules.score_margin",
                "rules.alpha",
                "rules.power",
                "rules.error_budget",
                "rules.max_quarantined",
                "rules.min_live_rate",
                "rules.repeats",
                "rules.critical_failures",
                "rules.min_cases",
                "rules.min_category_cases",
            ]
        );
        assert_eq!(
            problems[0].to_string(),
            "rules.margin: found 5, wanted more than 0 and less than 1, a share: 0.05 is 5 points \
             [prompt-rules]"
        );
    }
}
