//! Templates as people know them from nunjucks.

use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde_json::{Map, Value};

/// How much work one template may make, so that a loop can't go on for ever.
const FUEL: u64 = 200_000;
/// The longest text that a template may become.
const LONGEST: usize = 4 * 1024 * 1024;
/// How often values of variables are rendered that have templates in them themselves.
const ROUNDS: usize = 8;

/// Renders templates.
pub(super) struct Templates(Environment<'static>);

/// What a template knows.
pub(super) type Scope = BTreeMap<String, Value>;

impl Templates {
    /// Templates in which a name that nothing stands behind is an error, or (as in promptfoo's
    /// files) nothing.
    pub(super) fn new(strict: bool) -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_undefined_behavior(if strict {
            UndefinedBehavior::Strict
        } else {
            UndefinedBehavior::Chainable
        });
        environment.set_fuel(Some(FUEL));
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_formatter(print);
        environment.add_filter("dump", dump);
        environment.add_filter("load", load);
        Self(environment)
    }

    /// What `text` becomes.
    pub(super) fn text(&self, text: &str, scope: &Scope) -> Result<String, String> {
        if !is_template(text) {
            return Ok(text.to_owned());
        }
        let rendered = match filled(text, scope) {
            Some(filled) => filled,
            None => {
                self.0.render_str(&adapted(text), Serde(scope)).map_err(|error| told(&error))?
            }
        };
        if rendered.len() > LONGEST {
            return Err(format!("a template that becomes {} bytes", rendered.len()));
        }
        Ok(rendered)
    }

    /// What a value becomes of which strings are templates. A string that is one `{{ … }}` becomes
    /// the value itself.
    pub(super) fn value(&self, value: &Value, scope: &Scope) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => match only_expression(text) {
                Some(name) if is_name(name) && scope.contains_key(name) => scope[name].clone(),
                Some(expression) => {
                    let expression =
                        self.0.compile_expression(expression).map_err(|error| told(&error))?;
                    let value = expression.eval(Serde(scope)).map_err(|error| told(&error))?;
                    if value.is_undefined() {
                        return self.text(text, scope).map(Value::String);
                    }
                    serde_json::to_value(&value).map_err(|error| error.to_string())?
                }
                None => Value::String(self.text(text, scope)?),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item, scope));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => {
                let entries = entries.iter();
                let entries = entries.map(|(key, it)| Ok((key.clone(), self.value(it, scope)?)));
                Value::Object(entries.collect::<Result<_, String>>()?)
            }
            plain => plain.clone(),
        })
    }

    /// What a value becomes of which strings are templates, all strings still strings.
    pub(super) fn texts(&self, value: &Value, scope: &Scope) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text, scope)?),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.texts(item, scope));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(entries) => {
                let mut rendered = Map::new();
                for (key, value) in entries {
                    rendered.insert(key.clone(), self.texts(value, scope)?);
                }
                Value::Object(rendered)
            }
            plain => plain.clone(),
        })
    }

    /// Variables whose values name other variables.
    pub(super) fn resolved(&self, vars: &Scope) -> Result<Scope, String> {
        let mut scope = vars.clone();
        for _ in 0..ROUNDS {
            let mut next = scope.clone();
            for (name, value) in &scope {
                let rendered = self.texts(value, &scope);
                next.insert(name.clone(), rendered.map_err(|why| format!("`{name}`: {why}"))?);
            }
            if next == scope {
                return Ok(scope);
            }
            scope = next;
        }
        Err("variables that name one another in a circle".to_owned())
    }
}

pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

/// What a text becomes that has nothing but names of texts and whole numbers in it, as most have. The
/// engine makes the same of it, and compiles it anew for each case and call.
fn filled(text: &str, scope: &Scope) -> Option<String> {
    if text.contains("{%") || text.contains("{#") {
        return None;
    }
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, tag)) = rest.split_once("{{") {
        let (name, after) = tag.split_once("}}")?;
        let name = name.trim_matches(|c: char| c.is_ascii_whitespace());
        filled.push_str(before);
        match scope.get(name).filter(|_| is_name(name))? {
            Value::String(text) => filled.push_str(text),
            Value::Number(number) if !number.is_f64() => filled.push_str(&number.to_string()),
            _ => return None,
        }
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Words that are no names of variables, or not only.
const WORDS: [&str; 17] = [
    "true", "True", "false", "False", "none", "None", "and", "or", "not", "in", "is", "if", "else",
    "loop", "self", "super", "caller",
];

/// Whether an expression is the name of a variable and nothing else.
fn is_name(expression: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    expression.starts_with(|c: char| is_part(c) && !c.is_ascii_digit())
        && expression.chars().all(is_part)
        && !WORDS.contains(&expression)
}

/// The expression of a text that is one `{{ … }}` and nothing else.
fn only_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let plain = !inner.contains("{{") && !inner.contains("}}") && !inner.contains("{%");
    plain.then(|| inner.trim_matches('-').trim())
}

/// What is written otherwise in nunjucks: loops over maps, `===`, `.length`.
fn adapted(text: &str) -> String {
    let mut adapted = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let close = if rest[begin..].starts_with("{{") { "}}" } else { "%}" };
        let Some(length) = rest[begin..].find(close) else { break };
        let end = begin + length + close.len();
        adapted.push_str(&rest[..begin]);
        adapted.push_str(&adapted_tag(&rest[begin..end]));
        rest = &rest[end..];
    }
    adapted.push_str(rest);
    adapted
}

fn adapted_tag(tag: &str) -> String {
    // A text in quotes is left as it is.
    if tag.contains(['"', '\'']) {
        return with_items(tag);
    }
    let tag = tag.replace("===", "==").replace("!==", "!=").replace(".length", "|length");
    with_items(&tag)
}

/// `for k, v in map` goes over the entries.
fn with_items(tag: &str) -> String {
    let inner = tag.trim_start_matches("{%").trim_start_matches('-').trim_start();
    let Some((names, of)) = inner.strip_prefix("for ").and_then(|it| it.split_once(" in ")) else {
        return tag.to_owned();
    };
    let end = of.trim_end_matches('}').trim_end_matches('%').trim_end_matches('-');
    let plain = end.trim().chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    if names.contains(',') && plain {
        tag.replacen(end, &format!("{} | items ", end.trim_end()), 1)
    } else {
        tag.to_owned()
    }
}

/// Prints values as JavaScript does.
fn print(
    output: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &minijinja::Value,
) -> Result<(), Error> {
    let failed = |error| Error::new(ErrorKind::WriteFailure, "print a value").with_source(error);
    output.write_str(&printed(value)).map_err(failed)
}

fn printed(value: &minijinja::Value) -> String {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => String::new(),
        ValueKind::Bool => if value.is_true() { "true" } else { "false" }.to_owned(),
        ValueKind::Number => {
            let text = value.to_string();
            text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map(|items| items.map(|item| printed(&item)).collect());
            items.map_or_else(|_| value.to_string(), |items: Vec<_>| items.join(","))
        }
        ValueKind::Map => "[object Object]".to_owned(),
        _ => value.to_string(),
    }
}

fn dump(value: &minijinja::Value) -> Result<String, Error> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, "write JSON").with_source(error))
}

fn load(text: &str) -> Result<minijinja::Value, Error> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Error::new(ErrorKind::CannotDeserialize, "read JSON").with_source(error)
    })?;
    Ok(minijinja::Value::from(Serde(value)))
}

/// The error on one line.
fn told(error: &Error) -> String {
    bluegreen_core::chain(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(value: &Value) -> Scope {
        serde_json::from_value(value.clone()).unwrap()
    }

    fn lenient(text: &str, vars: &Value) -> String {
        Templates::new(false).text(text, &scope(vars)).unwrap()
    }

    #[test]
    fn values_are_printed_as_javascript_prints_them() {
        let vars = json!({"t": true, "n": null, "one": 1.0, "half": 0.5, "list": [1, [2, "a"]],
            "map": {"a": 1}, "text": "<b>"});
        let text = "{{t}} {{n}}|{{one}} {{half}} {{list}} {{map}} {{text}} {{missing.deep}}.";
        assert_eq!(lenient(text, &vars), "true |1 0.5 1,2,a [object Object] <b> .");
    }

    #[test]
    fn what_nunjucks_has_is_there() {
        let vars = json!({"map": {"a": 1, "b": 2}, "list": ["x", "y"], "text": "{\"k\": [3]}"});
        assert_eq!(
            lenient(
                "{% for k, v in map %}{{k}}={{v};{% endfor %}".replace("{{v}", "{{v}}").as_str(),
                &vars
            ),
            "a=1;b=2;"
        );
        assert_eq!(lenient("{{ map | dump }}", &vars), r#"{"a":1,"b":2}"#);
        assert_eq!(lenient("{{ (text | load).k[0] }}", &vars), "3");
        assert_eq!(lenient("{% if list.length === 2 %}two{% endif %}", &vars), "two");
        assert_eq!(lenient("{{ list | join('+') | upper }}\n", &vars), "X+Y\n");
        assert_eq!(lenient("{% raw %}{{x}}{% endraw %}", &vars), "{{x}}");
    }

    #[test]
    fn what_is_only_filled_in_is_what_the_engine_makes_of_it() {
        let vars = scope(&json!({"text": "a \"{{n}}\" <b>", "n": -5, "big": u64::MAX, "half": 0.5,
            "one": 1.0, "yes": true, "none": "n", "loop": "l", "nothing": null, "list": [1],
            "_a1": "ü", "1a": "digit", "a b": "blank", "not": "x"}));
        let engine = |text: &str, strict: bool| {
            let templates = Templates::new(strict);
            templates.0.render_str(&adapted(text), Serde(&vars)).map_err(|error| told(&error))
        };
        let texts = [
            "Where is {{text}}, {{ n }}?\r\n",
            "{{big}}{{n}}",
            "{{\n_a1\t}}{ }} {x}\n\n",
            "{{half}}",
            "{{one}} {{n}}",
            "{{yes}} {{none}} {{nothing}}",
            "{{loop}}",
            "{{list}}",
            "{{missing}}",
            "{{1a}}",
            "{{a b}}",
            "{{not}}",
            "{{n",
            "{{{n}}}",
            "{{-n-}} x",
            " {{- text }}",
            "{{n}}}}",
            "{# {{n}} #}{{n}}",
            "{% raw %}{{n}}{% endraw %}",
            "{{\u{a0}n}}",
            "{{n}} {{ n|abs }}",
            "{{}}",
        ];
        let mut count = 0;
        for (text, strict) in texts.iter().flat_map(|text| [(text, false), (text, true)]) {
            count += usize::from(filled(text, &vars).is_some());
            assert_eq!(Templates::new(strict).text(text, &vars), engine(text, strict), "{text:?}");
        }
        // The first three, and one whose braces close once more.
        assert_eq!(count, 2 * 4);
        for name in ["text", "n", "big", "half", "one", "yes", "nothing", "list", "none", "not"] {
            let text = format!("{{{{ {name} }}}}");
            let expression = Templates::new(true).0;
            let wanted = expression
                .compile_expression(name)
                .ok()
                .map(|it| serde_json::to_value(it.eval(Serde(&vars)).unwrap()).unwrap());
            assert_eq!(Templates::new(true).value(&json!(text), &vars).ok(), wanted, "{name}");
        }
    }

    #[test]
    fn a_name_that_nothing_stands_behind_is_an_error_where_it_is_strict() {
        let error = Templates::new(true).text("Where is {{parcel}}?", &Scope::new()).unwrap_err();
        assert!(error.contains("undefined"), "{error}");
    }

    #[test]
    fn one_expression_becomes_the_value_itself() {
        let vars = scope(&json!({"messages": [{"role": "user"}], "n": 5, "text": "a \"b\""}));
        let body = json!({"m": "{{ messages }}", "n": "{{n}}", "t": "{{text}}", "s": "n={{n}}"});
        let wanted = json!({"m": [{"role": "user"}], "n": 5, "t": "a \"b\"", "s": "n=5"});
        assert_eq!(Templates::new(true).value(&body, &vars).unwrap(), wanted);
    }

    #[test]
    fn variables_may_name_others_but_not_in_a_circle() {
        let templates = Templates::new(true);
        let vars = scope(&json!({"a": "{{b}}!", "b": "x{{c}}", "c": 1}));
        assert_eq!(templates.resolved(&vars).unwrap()["a"], json!("x1!"));
        let circle = scope(&json!({"a": "{{b}}!", "b": "{{a}}?"}));
        assert!(templates.resolved(&circle).unwrap_err().contains("circle"));
    }

    #[test]
    fn a_loop_that_never_ends_is_stopped() {
        let text =
            "{% for a in range(9999) %}{% for b in range(9999) %}{{a}}{% endfor %}{% endfor %}";
        assert!(Templates::new(true).text(text, &Scope::new()).is_err());
    }
}
