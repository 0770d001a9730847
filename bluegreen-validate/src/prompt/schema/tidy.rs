//! Descriptions as editors show them: the first paragraph of what the documentation says, without
//! its links.

use serde_json::Value;

/// Tidies all descriptions in a schema.
pub(super) fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::String(text) if name == "description" => *text = tidied(text),
                    other => tidy(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidied(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    unlinked(&words.join(" "))
}

/// The text with `` [`Name`](path) `` as `` `Name` ``.
fn unlinked(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        plain.push_str(before);
        plain.push('`');
        plain.push_str(name);
        plain.push('`');
        let target = after.strip_prefix('(').and_then(|it| it.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_and_what_looks_like_one_stays() {
        let text =
            "What a\n[`Rubric`](super::Rubric) or [`Case`] wants:\n`g-eval: [A., B.]`.\n\nMore.";
        assert_eq!(tidied(text), "What a `Rubric` or `Case` wants: `g-eval: [A., B.]`.");
        assert_eq!(tidied("An open [`one"), "An open [`one");
    }
}
