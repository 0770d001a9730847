//! The provider that a file names, where it is an agent that is known here.

use http::Uri;
use serde_json::{Map, Value, json};

use super::Loading;
use super::form::Config;
use crate::HeaderText;
use crate::prompt::suite::{Agent, HttpAgent, OpenAiAgent, ResponsesAgent};

const WANTED: &str = "one provider that is `openai:chat:MODEL`, `openai:responses:MODEL` or an HTTP \
                      address, or an agent named by PromptRegression::from_promptfoo";

/// What of `openai` is not sent to the agent.
const ELSEWHERE: [&str; 9] = [
    "apiKey",
    "apiKeyEnvar",
    "apiHost",
    "apiBaseUrl",
    "organization",
    "headers",
    "cost",
    "inputCost",
    "outputCost",
];

impl Loading<'_> {
    pub(super) fn agent(&mut self, config: &Config) -> Option<Agent> {
        let (name, providers) = match (&config.providers, &config.targets) {
            (Some(it), None) => ("providers", it),
            (None, Some(it)) => ("targets", it),
            (None, None) => {
                self.say("no providers", WANTED);
                return None;
            }
            (Some(_), Some(_)) => {
                self.say("`providers` and `targets`", WANTED);
                return None;
            }
        };
        self.within(name, |loading| {
            let provider = match providers {
                Value::Array(all) if all.len() == 1 => &all[0],
                Value::Array(all) => {
                    loading.say(format!("{} providers", all.len()), WANTED);
                    return None;
                }
                one => one,
            };
            match agent_of(provider) {
                Ok(agent) => Some(agent),
                Err(found) => {
                    loading.say(found, WANTED);
                    None
                }
            }
        })
    }
}

fn agent_of(provider: &Value) -> Result<Agent, String> {
    let empty = Map::new();
    let (id, config) = match provider {
        Value::String(id) => (id.as_str(), &empty),
        Value::Object(entries) => {
            let config = entries.get("config").and_then(Value::as_object).unwrap_or(&empty);
            if let Some(name) =
                ["transform", "prompts", "env"].iter().find(|it| entries.contains_key(**it))
            {
                return Err(format!("a provider with `{name}`"));
            }
            (entries.get("id").and_then(Value::as_str).unwrap_or_default(), config)
        }
        other => return Err(other.to_string()),
    };
    if let Some(model) = id.strip_prefix("openai:") {
        if let Some(model) = model.strip_prefix("responses:").filter(|it| !it.is_empty()) {
            return responses(model, config);
        }
        let model = model.strip_prefix("chat:").unwrap_or(model);
        return if model.is_empty() || model.contains(':') {
            Err(format!("`{id}`"))
        } else {
            openai(model, config)
        };
    }
    if id == "http" || id == "https" || id.starts_with("http://") || id.starts_with("https://") {
        let url = config.get("url").and_then(Value::as_str).unwrap_or(id);
        return http_agent(url, config);
    }
    Err(format!("`{id}`"))
}

fn openai(model: &str, config: &Map<String, Value>) -> Result<Agent, String> {
    let mut agent = OpenAiAgent::new(model);
    for (name, value) in config {
        match name.as_str() {
            "stream" => agent.stream = value.as_bool().unwrap_or(false),
            "passthrough" => {
                agent.parameters.extend(value.as_object().cloned().unwrap_or_default());
            }
            name if ELSEWHERE.contains(&name) => {}
            _ => {
                agent.parameters.insert(name.clone(), value.clone());
            }
        }
    }
    if let Some(headers) = config.get("headers").and_then(Value::as_object) {
        agent.headers.extend(headers_of(headers)?);
    }
    Ok(agent.into())
}

/// The Responses API. What promptfoo calls as chat completions do has another place there.
fn responses(model: &str, config: &Map<String, Value>) -> Result<Agent, String> {
    let mut agent = ResponsesAgent::new(model);
    let nested = |agent: &mut ResponsesAgent, place: &str, name: &str, value: Value| {
        let within = agent.parameters.entry(place).or_insert_with(|| json!({}));
        match within.as_object_mut() {
            Some(within) => {
                within.insert(name.to_owned(), value);
                Ok(())
            }
            None => Err(format!("`{place}`, which is no map")),
        }
    };
    for (name, value) in config {
        match name.as_str() {
            "stream" => agent.stream = value.as_bool().unwrap_or(false),
            "instructions" => match value.as_str() {
                Some(text) => agent.instructions = Some(text.to_owned()),
                None => return Err(format!("the instructions {value}")),
            },
            "tools" => match value.as_array() {
                Some(tools) => agent.tools.clone_from(tools),
                None => return Err(format!("the tools {value}")),
            },
            "reasoning_effort" => nested(&mut agent, "reasoning", "effort", value.clone())?,
            "response_format" => {
                // Here the schema stands in the format itself.
                let mut format = value.as_object().cloned().unwrap_or_default();
                if let Some(Value::Object(schema)) = format.remove("json_schema") {
                    format.extend(schema);
                }
                nested(&mut agent, "text", "format", format.into())?;
            }
            "max_tokens" => {
                let limit = agent.parameters.entry("max_output_tokens");
                limit.or_insert_with(|| value.clone());
            }
            "passthrough" => {
                agent.parameters.extend(value.as_object().cloned().unwrap_or_default());
            }
            name if ELSEWHERE.contains(&name) => {}
            "reasoning" | "text" => {
                for (name_within, value) in value.as_object().into_iter().flatten() {
                    nested(&mut agent, name, name_within, value.clone())?;
                }
            }
            _ => {
                agent.parameters.insert(name.clone(), value.clone());
            }
        }
    }
    if let Some(headers) = config.get("headers").and_then(Value::as_object) {
        agent.headers.extend(headers_of(headers)?);
    }
    Ok(agent.into())
}

fn http_agent(url: &str, config: &Map<String, Value>) -> Result<Agent, String> {
    let uri: Uri = url.parse().map_err(|_| format!("the address `{url}`"))?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let known = ["url", "method", "headers", "body", "transformResponse", "responseParser"];
    if let Some(other) = config.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("an HTTP provider with `{other}`"));
    }
    let body = config.get("body").cloned();
    let method = config.get("method").and_then(Value::as_str);
    let default = if body.is_some() { "POST" } else { "GET" };
    let parser = config.get("transformResponse").or_else(|| config.get("responseParser"));
    let answer = match parser.map(Value::as_str) {
        None => "text".to_owned(),
        Some(text) => pointer(text.unwrap_or_default()).ok_or_else(|| {
            format!("`{}`, which is more than a way in the JSON", text.unwrap_or(""))
        })?,
    };
    let mut agent = HttpAgent::post(path, Value::Null, answer);
    agent.method = method.unwrap_or(default).to_ascii_uppercase();
    agent.body = body;
    if let Some(headers) = config.get("headers").and_then(Value::as_object) {
        agent.headers = headers_of(headers)?;
    }
    Ok(agent.into())
}

/// Headers; one that is a variable of the environment as a whole is read from there.
fn headers_of(
    headers: &Map<String, Value>,
) -> Result<std::collections::BTreeMap<String, HeaderText>, String> {
    let mut found = std::collections::BTreeMap::new();
    for (name, value) in headers {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let inner = text.trim().strip_prefix("{{").and_then(|it| it.strip_suffix("}}"));
        let variable = inner.and_then(|it| it.trim().strip_prefix("env."));
        let header = match variable {
            Some(env) => HeaderText::Env { env: env.to_owned() },
            None if text.contains("{{") => {
                return Err(format!("the header `{name}` with a template in it"));
            }
            None => HeaderText::Literal(text),
        };
        found.insert(name.to_ascii_lowercase(), header);
    }
    Ok(found)
}

/// `json.choices[0].message` as a JSON pointer.
fn pointer(expression: &str) -> Option<String> {
    let rest = expression.trim().trim_end_matches(';').strip_prefix("json")?;
    let mut pointer = String::new();
    let mut rest = rest.replace("?.", ".");
    if rest.is_empty() {
        return Some("text".to_owned());
    }
    while !rest.is_empty() {
        let (key, after) = if let Some(inner) = rest.strip_prefix('[') {
            let (key, after) = inner.split_once(']')?;
            (key.trim_matches(['"', '\'']).to_owned(), after.to_owned())
        } else {
            let inner = rest.strip_prefix('.')?;
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            (inner[..end].to_owned(), inner[end..].to_owned())
        };
        let plain = key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '$'));
        if key.is_empty() || !plain {
            return None;
        }
        pointer.push('/');
        pointer.push_str(&key);
        rest = after;
    }
    Some(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_in_the_json_is_a_pointer_and_a_program_is_not() {
        let way = "json.choices[0].message['content']";
        assert_eq!(pointer(way).as_deref(), Some("/choices/0/message/content"));
        assert_eq!(pointer("json.a?.b").as_deref(), Some("/a/b"));
        assert_eq!(pointer("json").as_deref(), Some("text"));
        for program in ["json.a + json.b", "(json) => json.a", "json.a()", "text", "jsonp"] {
            assert_eq!(pointer(program), None, "{program}");
        }
    }
}
