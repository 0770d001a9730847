//! Texts as vectors, and how near they are to one another.

use serde_json::{Value, json};

use super::endpoint::{Endpoint, Purse, Stop};
use super::{Connector, Grade, LONGEST, Place};
use crate::prompt::suite::{EmbeddingModel, HttpAgent, Suite};
use crate::prompt::template::Scope;

/// A model that makes vectors.
pub(super) struct Embedder(Endpoint);

impl Embedder {
    pub(super) fn new(
        suite: &Suite,
        model: &EmbeddingModel,
        connector: &Connector,
    ) -> Result<Self, String> {
        let place = Place::parse(&model.url, "/embeddings")?;
        let body = json!({"model": "{{ model }}", "input": "{{ input }}"});
        let mut agent = HttpAgent::post(place.path.as_str(), body, "/data");
        agent.headers.clone_from(&model.headers);
        agent.usage = Some("/usage".to_owned());
        let name = format!("embeddings of {}", model.model);
        let endpoint = Endpoint::new(name, suite, agent, &place, connector)?;
        Ok(Self(endpoint.priced(model.prices)))
    }

    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    /// How near `answer` is to the nearest of the texts, and to which.
    pub(super) async fn nearest(
        &self,
        model: &str,
        answer: &str,
        texts: &[String],
        purse: &Purse<'_>,
    ) -> Result<Grade, Stop> {
        // Models make no vector of nothing; and an empty answer is like no text at all.
        if answer.trim().is_empty() {
            return Ok(Grade { pass: true, score: 0.0, reason: "an empty answer".to_owned() });
        }
        let near = self.nearness(model, answer, texts, purse).await?;
        let best = near.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let index = near.iter().position(|it| *it >= best).unwrap_or_default();
        let text = texts.get(index).map_or("", String::as_str);
        let reason = format!("nearest to \"{text}\"");
        // Texts that point away from one another are no more alike than not at all.
        Ok(Grade { pass: true, score: best.clamp(0.0, 1.0), reason })
    }

    /// How near a text is to each of the others, from -1 to 1.
    pub(super) async fn nearness(
        &self,
        model: &str,
        one: &str,
        texts: &[String],
        purse: &Purse<'_>,
    ) -> Result<Vec<f64>, Stop> {
        let all: Vec<&str> = [one].into_iter().chain(texts.iter().map(String::as_str)).collect();
        let length: usize = all.iter().map(|it| it.len()).sum();
        if length > LONGEST {
            let why = format!("{length} bytes to compare, at most {LONGEST} are");
            return Err(self.0.untold(&why));
        }
        let scope = Scope::from([
            ("model".to_owned(), Value::from(model)),
            ("input".to_owned(), json!(all)),
        ]);
        let answer = self.0.ask(self.0.request(&scope, &[])?, purse).await?;
        let data = answer.json.as_ref();
        let vectors = data.ok_or_else(|| "no vectors".to_owned());
        let vectors = vectors.and_then(|data| read(data, all.len()));
        let near = vectors.and_then(|vectors| {
            let (first, others) = vectors.split_first().ok_or("no vectors")?;
            let near = others.iter().map(|it| cosine(first, it));
            near.collect::<Result<Vec<f64>, String>>()
        });
        near.map_err(|why| self.0.untold(&why))
    }
}

/// So many vectors, each at its index.
fn read(data: &Value, count: usize) -> Result<Vec<Vec<f64>>, String> {
    let items = data.as_array().ok_or("no list of vectors")?;
    if items.len() != count {
        return Err(format!("{} vectors of {count} texts", items.len()));
    }
    let mut vectors = vec![Vec::new(); count];
    for (place, item) in items.iter().enumerate() {
        let index = item.get("index").and_then(Value::as_u64);
        let index = index.map_or(Some(place), |index| usize::try_from(index).ok());
        let numbers = item.get("embedding").and_then(Value::as_array);
        let numbers: Option<Vec<f64>> =
            numbers.and_then(|it| it.iter().map(Value::as_f64).collect());
        let slot = index.and_then(|index| vectors.get_mut(index)).filter(|it| it.is_empty());
        match (slot, numbers) {
            (Some(slot), Some(numbers)) if !numbers.is_empty() => *slot = numbers,
            _ => return Err("what is no vector of a text".to_owned()),
        }
    }
    Ok(vectors)
}

/// The cosine of the angle between two vectors.
fn cosine(one: &[f64], other: &[f64]) -> Result<f64, String> {
    if one.len() != other.len() {
        return Err(format!("vectors of {} and {} numbers", one.len(), other.len()));
    }
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let lengths = product(one, one).sqrt() * product(other, other).sqrt();
    let cosine = product(one, other) / lengths;
    if cosine.is_finite() { Ok(cosine) } else { Err("a vector without a direction".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read_by_their_index_and_all_there() {
        let data = json!([{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [1, 0.5]}]);
        assert_eq!(read(&data, 2).unwrap(), [vec![1.0, 0.5], vec![0.0, 2.0]]);
        for data in [
            json!(null),
            json!([{"index": 0, "embedding": [1]}]),
            json!([{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]),
            json!([{"index": 0, "embedding": [1]}, {"index": 2, "embedding": [1]}]),
            json!([{"index": 0, "embedding": []}, {"index": 1, "embedding": [1]}]),
            json!([{"index": 0, "embedding": [null]}, {"index": 1, "embedding": [1]}]),
        ] {
            assert!(read(&data, 2).is_err(), "{data}");
        }
    }

    #[test]
    fn a_cosine_is_told_or_not_and_never_no_number() {
        assert!((cosine(&[1.0, 0.0], &[1.0, 1.0]).unwrap() - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!(cosine(&[1.0], &[1.0, 1.0]).is_err());
        assert!(cosine(&[0.0], &[1.0]).is_err());
        assert!(cosine(&[1e200, 1e200], &[1e200, 1e200]).is_err());
    }
}
