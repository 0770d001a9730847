//! One thing that an answer must be like: `- not-contains: sorry`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{StrDeserializer, UnitDeserializer};
use serde::de::{self, EnumAccess, MapAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Check, Suite, Webhook};

/// One thing that an answer must be like.
///
/// In a file it is a map with the name of a [`Check`] and what that wants, and possibly `weight`
/// and `metric`; the name may have `not-` before it:
///
/// ```yaml
/// assert:
///   - contains: parcel
///   - not-contains: as an AI
///   - { similar-words: { to: "It arrives on Tuesday", at_least: 0.8 }, weight: 2 }
///   - is-json                          # or { is-json: <a JSON Schema> }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Assertion {
    /// What is looked at.
    pub check: Check,
    /// Whether it must not hold.
    pub not: bool,
    /// How much its score counts in the case's; one of weight 0 is reported and decides nothing.
    pub weight: f64,
    /// A name under which it is reported.
    pub metric: Option<String>,
}

impl From<Check> for Assertion {
    fn from(check: Check) -> Self {
        Self { check, not: false, weight: 1.0, metric: None }
    }
}

impl Assertion {
    /// The answer has this text in it.
    pub fn contains(text: impl Into<String>) -> Self {
        Check::Contains(text.into()).into()
    }

    /// The answer is this text, or JSON that is equal to this value.
    pub fn equals(value: impl Into<Value>) -> Self {
        Check::Equals(value.into()).into()
    }

    /// The answer has a match of this ECMAScript regular expression in it.
    pub fn regex(pattern: impl Into<String>) -> Self {
        Check::Regex(pattern.into()).into()
    }

    /// The opposite.
    #[must_use]
    pub fn negated(mut self) -> Self {
        self.not = !self.not;
        self
    }

    /// The same with another weight.
    #[must_use]
    pub fn weighing(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Its name as files have it: `not-contains`.
    pub fn name(&self) -> String {
        let not = if self.not { "not-" } else { "" };
        format!("{not}{}", self.check.name())
    }

    /// Its name and what it wants, for people: `contains "30 days"`.
    pub(crate) fn described(&self) -> String {
        // It has text keys and finite numbers only, so this does not fail.
        let value = serde_json::to_value(self).unwrap_or_default();
        let (name, wanted) = (self.name(), value.get(self.name()).cloned().unwrap_or_default());
        let name = match &self.metric {
            Some(metric) => format!("{name} ({metric})"),
            None => name,
        };
        if wanted.is_null() { name } else { format!("{name} {wanted}") }
    }

    /// The services of one's own in it.
    pub(crate) fn webhooks<'a>(&'a self, found: &mut Vec<&'a Webhook>) {
        match &self.check {
            Check::Webhook(hook) => found.push(hook),
            Check::AssertSet(set) => set.assert.iter().for_each(|it| it.webhooks(found)),
            _ => {}
        }
    }

    /// Whether it looks at times.
    pub(crate) fn is_timed(&self, suite: &Suite) -> bool {
        match &self.check {
            Check::Latency(_) | Check::FirstToken(_) => true,
            Check::Grader(it) => suite.graders.named(&it.name).is_some_and(|it| it.is_timed()),
            Check::AssertSet(set) => set.assert.iter().any(|it| it.is_timed(suite)),
            _ => false,
        }
    }

    /// What it needs that is not there.
    pub(crate) fn unsupported(&self, suite: &Suite) -> Option<String> {
        match &self.check {
            check @ Check::Unsupported(_) => Some(check.kind()),
            Check::AssertSet(set) => set.assert.iter().find_map(|it| it.unsupported(suite)),
            check => suite.ungraded(check).map(|_| check.kind()),
        }
    }
}

impl Serialize for Assertion {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let value = serde_json::to_value(&self.check).map_err(serde::ser::Error::custom)?;
        let value = match value {
            Value::Object(mut entries) => {
                let name = entries.keys().next().cloned().unwrap_or_default();
                entries.remove(&name).unwrap_or_default()
            }
            _ => Value::Null,
        };
        let mut map = to.serialize_map(None)?;
        map.serialize_entry(&self.name(), &value)?;
        #[allow(clippy::float_cmp, reason = "it is the default itself that is left out")]
        if self.weight != 1.0 {
            map.serialize_entry("weight", &self.weight)?;
        }
        if let Some(metric) = &self.metric {
            map.serialize_entry("metric", metric)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Assertion {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AssertionVisitor)
    }
}

struct AssertionVisitor;

impl<'de> Visitor<'de> for AssertionVisitor {
    type Value = Assertion;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a check like `contains: parcel`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Assertion, E> {
        let (check, not) = named(name, Nothing(PhantomData))?;
        Ok(Assertion { not, ..check.into() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Assertion, A::Error> {
        let (mut found, mut weight, mut metric) = (None, 1.0, None);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "weight" => weight = map.next_value()?,
                "metric" => metric = Some(map.next_value()?),
                name if found.is_none() => found = Some(named(name, Next(&mut map))?),
                name => {
                    let message = format!("a second check, `{name}`: write it as one of its own");
                    return Err(de::Error::custom(message));
                }
            }
        }
        let (check, not) =
            found.ok_or_else(|| de::Error::custom("no check: one like `contains: parcel`"))?;
        Ok(Assertion { check, not, weight, metric })
    }
}

/// Reads the check of this name, whose value `source` has.
fn named<'de, S: Source<'de>>(name: &str, source: S) -> Result<(Check, bool), S::Error> {
    let (plain, not) = match name.strip_prefix("not-") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let check = Check::deserialize(Named { name: plain, source })?;
    Ok((check, not))
}

/// Where a check's value comes from.
trait Source<'de> {
    type Error: de::Error;

    fn read<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Self::Error>;
}

struct Next<'a, A>(&'a mut A);

impl<'de, A: MapAccess<'de>> Source<'de> for Next<'_, A> {
    type Error = A::Error;

    fn read<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

/// There is only a name.
struct Nothing<E>(PhantomData<E>);

impl<'de, E: de::Error> Source<'de> for Nothing<E> {
    type Error = E;

    fn read<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, E> {
        seed.deserialize(UnitDeserializer::new())
    }
}

struct Named<'a, S> {
    name: &'a str,
    source: S,
}

impl<'de, S: Source<'de>> Deserializer<'de> for Named<'_, S> {
    type Error = S::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, S::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any option newtype_struct
        enum
    }
}

impl<'de, S: Source<'de>> EnumAccess<'de> for Named<'_, S> {
    type Error = S::Error;
    type Variant = Self;

    fn variant_seed<T: de::DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Self), S::Error> {
        let name = StrDeserializer::<S::Error>::new(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de, S: Source<'de>> VariantAccess<'de> for Named<'_, S> {
    type Error = S::Error;

    fn unit_variant(self) -> Result<(), S::Error> {
        self.source.read(PhantomData::<()>)
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, S::Error> {
        self.source.read(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, S::Error> {
        Err(de::Error::custom("a check has one value"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, S::Error> {
        Err(de::Error::custom("a check has one value"))
    }
}
