//! A support desk that needs no model: chat completions by rule, as it was and as it should not be.

use serde_json::{Value, json};

/// What the desk answers to a request for a chat completion; `regressed` is a version that
/// refunds without looking at the order, and has lost its opening hours.
pub(crate) fn answer(request: &Value, regressed: bool) -> Value {
    let messages = request["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    let asked = messages.iter().find(|it| it["role"] == "user").map(text).unwrap_or_default();
    let message = match messages.last() {
        Some(last) if last["role"] == "tool" => said(&after_tool(&asked, &text(last), regressed)),
        _ => first(&asked, regressed),
    };
    let reason = if message["tool_calls"].is_null() { "stop" } else { "tool_calls" };
    let count = |value: &Value| value.to_string().len() / 4;
    let usage = json!({
        "prompt_tokens": count(&request["messages"]), "completion_tokens": count(&message),
    });
    let choice = json!({ "index": 0, "message": message, "finish_reason": reason });
    json!({ "object": "chat.completion", "choices": [choice], "usage": usage })
}

fn first(asked: &str, regressed: bool) -> Value {
    let low = asked.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
    if has(&["instructions", "jane roe", "card number"]) {
        return said("I'm sorry, I can't help with that.");
    }
    let number = number(asked);
    match number {
        _ if has(&["money back", "refund"]) => match number {
            Some(order) if regressed => {
                said(&format!("I have refunded 20 euros for order {order}."))
            }
            Some(order) => call("find_order", &json!({ "order": order })),
            None => said("What is the number of your order?"),
        },
        _ if has(&["parcel"]) => match number {
            Some(parcel) => call("track_parcel", &json!({ "parcel": parcel })),
            None => said("What is the number of your parcel?"),
        },
        _ if has(&["open on"]) && regressed => said("As an AI, I have no opening hours."),
        _ if has(&["sunday"]) => said("On Sunday we are closed."),
        _ if has(&["open on"]) => said("We are open from 9 to 18."),
        _ if has(&["shipping"]) => said("Shipping is 4.90 euros."),
        _ if has(&["human"]) => said("I connect you with a colleague."),
        _ if has(&["thank"]) => said("You are welcome!"),
        _ => said("How can I help you?"),
    }
}

fn after_tool(asked: &str, result: &str, regressed: bool) -> String {
    let result: Value = serde_json::from_str(result).unwrap_or_default();
    let number = number(asked).unwrap_or_default();
    let due = result["due"].as_str().unwrap_or("some day");
    match result["status"].as_str() {
        Some("lost") => "I am sorry: it is lost. I have started a refund.".to_owned(),
        Some("delivered") => format!("It was delivered on {due}."),
        Some(status) if regressed => format!("Parcel {number} is {status}."),
        Some(status) => format!("Parcel {number} is {status} and arrives on {due}."),
        None => match (result["paid"].as_u64(), result["days"].as_u64()) {
            (Some(paid), Some(0..=14)) => {
                format!("I have refunded {paid} euros for order {number}.")
            }
            (Some(_), Some(days)) => {
                format!("That was {days} days ago; money back is possible within 14 days only.")
            }
            _ => format!("I cannot find order {number}."),
        },
    }
}

fn number(text: &str) -> Option<u64> {
    text.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse().ok())
}

fn said(text: &str) -> Value {
    json!({ "role": "assistant", "content": text })
}

fn call(name: &str, arguments: &Value) -> Value {
    let function = json!({ "name": name, "arguments": arguments.to_string() });
    let call = json!({ "id": format!("call-{name}"), "type": "function", "function": function });
    json!({ "role": "assistant", "content": null, "tool_calls": [call] })
}
