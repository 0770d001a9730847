//! Contracts of tools against MCP servers on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bluegreen_core::conformance::validator::ValidatorFixture;
use bluegreen_core::{ErrorKind, Judgement, Result, Validator, Verdict};
use bluegreen_validate::prompt::{PinnedTool, Strictness, ToolContract, ToolContractConfig};
use bluegreen_validate::{AddressClient, Value, json};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use crate::agents::client;
use crate::server::{Answer, Got, Server, answer, with};
use crate::world::{assert_verdict, told, trial};

pub(crate) fn tool(name: &str, description: &str, id: &str) -> Value {
    let schema = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": id}}});
    json!({"name": name, "description": description, "inputSchema": schema})
}

/// Two pages of tools.
pub(crate) fn tools() -> Vec<Value> {
    vec![tool("find", "Finds it.", "integer"), tool("refund", "Pays back.", "integer")]
}

/// The answer to a request by the rules of the protocol, with one tool on a page.
pub(crate) fn spoken(got: &Got, tools: &[Value], events: bool) -> Answer {
    assert_eq!(got.uri.path(), "/mcp");
    assert_eq!(got.headers["accept"], "application/json, text/event-stream");
    if got.method == "DELETE" {
        assert_eq!(got.headers["mcp-session-id"], "s-1");
        return answer(405, "");
    }
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let method = body["method"].as_str().unwrap();
    if method != "initialize" {
        assert_eq!(got.headers["mcp-session-id"], "s-1", "{method}");
        assert_eq!(got.headers["mcp-protocol-version"], "2025-03-26", "{method}");
    }
    let result = match method {
        "initialize" => {
            assert_eq!(body["params"]["protocolVersion"], "2025-06-18");
            json!({"protocolVersion": "2025-03-26", "capabilities": {"tools": {}}})
        }
        "notifications/initialized" => {
            assert_eq!(body.get("id"), None);
            return answer(202, "");
        }
        "tools/list" => {
            let page: usize = body["params"]["cursor"].as_str().map_or(0, |it| it.parse().unwrap());
            let next = (page + 1 < tools.len()).then(|| (page + 1).to_string());
            let listed: Vec<&Value> = tools.iter().skip(page).take(1).collect();
            json!({"tools": listed, "nextCursor": next})
        }
        other => panic!("{other}"),
    };
    let said = json!({"jsonrpc": "2.0", "id": body["id"], "result": result});
    let answer = if events {
        let note = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {}});
        let text = format!(": hi\n\nevent: message\ndata: {note}\n\ndata: {said}\n\n");
        with(answer(200, text), "content-type", "text/event-stream")
    } else {
        with(answer(200, said.to_string()), "content-type", "application/json")
    };
    if method == "initialize" { with(answer, "mcp-session-id", "s-1") } else { answer }
}

pub(crate) async fn offering(tools: Vec<Value>, events: bool) -> Server {
    Server::http(move |got| {
        let answer = spoken(&got, &tools, events);
        async move { answer }
    })
    .await
}

/// One that answers `tools/list` otherwise.
pub(crate) async fn listing(list: impl Fn() -> Answer + Send + Sync + 'static) -> Server {
    let list = Arc::new(list);
    Server::http(move |got| {
        let is_list = String::from_utf8_lossy(&got.body).contains("tools/list");
        let answer = if is_list { list() } else { spoken(&got, &[], false) };
        async move { answer }
    })
    .await
}

pub(crate) async fn as_live(live: &Server, idle: &Server) -> Result<Judgement> {
    ToolContract::as_live("/mcp").judge(&trial(client(live), client(idle))).await
}

bluegreen_core::validator_conformance_tests!(tool_contract: async || {
    let live = offering(tools(), false).await;
    let good = offering(tools(), true).await;
    let bad = offering(vec![tool("find", "Finds it.", "string")], false).await;
    let nowhere = Arc::new(AddressClient::new([Server::nowhere().await.to_string()]));
    let mut other = ToolContractConfig::new("/mcp");
    other.descriptions = Strictness::Fail;
    ValidatorFixture {
        validator: Arc::new(ToolContract::as_live("/mcp")),
        other: Arc::new(ToolContract::new(other)),
        good: trial(client(&live), client(&good)),
        bad: trial(client(&live), client(&bad)),
        unreachable: trial(client(&live), nowhere),
        guard: Box::new((live, good, bad)),
    }
});

#[tokio::test]
async fn a_difference_names_tool_and_argument() {
    let live = offering(tools(), true).await;
    let idle =
        offering(vec![tool("search", "Finds it.", "integer"), tool("refund", "", "string")], false)
            .await;
    let judgement = as_live(&live, &idle).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    let told: Vec<String> = judgement.evidence.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "tool find, tools/list: wanted the tool, found no such tool, but `search`, which takes the same",
            "tool refund, argument id, tools/list: wanted the type \"integer\", found the type \"string\"",
            "tool refund, tools/list: wanted the description \"Pays back.\", found the description \"\"",
        ]
    );
}

#[tokio::test]
async fn other_words_and_new_tools_fail_only_where_it_is_said() {
    let live = offering(tools(), false).await;
    let mut more = tools();
    more[0]["description"] = "Finds all.".into();
    more.push(tool("greet", "", "string"));
    let idle = offering(more, false).await;
    let trial = trial(client(&live), client(&idle));
    let mut config = ToolContractConfig::new("/mcp");
    for (descriptions, more, verdict, findings) in [
        (Strictness::Tell, Strictness::Ignore, Verdict::Pass, 1),
        (Strictness::Fail, Strictness::Ignore, Verdict::Fail, 1),
        (Strictness::Tell, Strictness::Fail, Verdict::Fail, 2),
        (Strictness::Tell, Strictness::Tell, Verdict::Pass, 2),
    ] {
        (config.descriptions, config.more) = (descriptions, more);
        let judgement = ToolContract::new(config.clone()).judge(&trial).await.unwrap();
        assert_verdict(&judgement, verdict);
        assert_eq!(judgement.evidence.len(), findings, "{}", told(&judgement));
    }
}

#[tokio::test]
async fn pinned_tools_are_held_against_schema_and_digest() {
    // Live is not asked.
    let live = listing(|| answer(500, "")).await;
    let idle = offering(tools(), false).await;
    let trial = trial(client(&live), client(&idle));
    let schema = tools()[0]["inputSchema"].clone();
    let digest = ToolContract::digest_of("refund", &schema).as_str().to_owned();
    let mut config = ToolContractConfig::new("/mcp");
    let mut find = PinnedTool::default();
    find.schema = Some(schema);
    let mut refund = PinnedTool::default();
    refund.digest = Some(digest);
    config.tools = Some([("find".to_owned(), find), ("refund".to_owned(), refund)].into());
    let judgement = ToolContract::new(config.clone()).judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Pass);
    let pinned = config.tools.as_mut().unwrap();
    pinned.get_mut("refund").unwrap().digest = Some(format!("sha256:{}", "0".repeat(64)));
    pinned.insert("greet".to_owned(), PinnedTool::default());
    let judgement = ToolContract::new(config).judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert!(told(&judgement).contains("tool greet"), "{}", told(&judgement));
    assert!(
        told(&judgement).contains("tool refund, tools/list: wanted sha256:000"),
        "{}",
        told(&judgement)
    );
}

#[tokio::test]
async fn what_is_no_list_of_tools_fails_the_candidate_and_tells_nothing_of_live() {
    let good = offering(tools(), false).await;
    let same = json!({"tools": [], "nextCursor": "again"});
    for result in [
        json!("hello"),
        json!({"tools": "find"}),
        json!({"tools": [7]}),
        json!({"tools": [{"name": "find"}]}),
        json!({"tools": [tools()[0], tools()[0]]}),
        json!({"tools": [], "nextCursor": 7}),
    ] {
        let text = json!({"jsonrpc": "2.0", "id": 1, "result": result}).to_string();
        let wrong = listing(move || answer(200, text.clone())).await;
        assert_verdict(&as_live(&good, &wrong).await.unwrap(), Verdict::Fail);
        assert_verdict(&as_live(&wrong, &good).await.unwrap(), Verdict::Inconclusive);
    }
    // It would go on for ever.
    let pages = Arc::new(AtomicUsize::new(0));
    let count = pages.clone();
    let endless = Server::http(move |got| {
        let body: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        let answer = if body["method"] == "tools/list" {
            count.fetch_add(1, Ordering::SeqCst);
            answer(200, json!({"jsonrpc": "2.0", "id": body["id"], "result": same}).to_string())
        } else {
            spoken(&got, &[], false)
        };
        async move { answer }
    })
    .await;
    let judgement = as_live(&good, &endless).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert_eq!(pages.load(Ordering::SeqCst), 2);
    let error =
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no such method"}});
    let refusing = listing(move || answer(200, error.to_string())).await;
    let judgement = as_live(&good, &refusing).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert!(told(&judgement).contains("no such method"), "{}", told(&judgement));
    let none = listing(|| answer(200, json!({"id": 1, "result": {"tools": []}}).to_string())).await;
    assert_verdict(&as_live(&none, &good).await.unwrap(), Verdict::Inconclusive);
    assert_verdict(&as_live(&good, &none).await.unwrap(), Verdict::Fail);
}

#[tokio::test]
async fn who_is_away_is_an_error_and_never_a_pass() {
    let good = offering(tools(), false).await;
    let broken = || with(answer(200, "data: {\"id\"\n"), "content-type", "text/event-stream");
    let endless = || {
        let piece = bytes::Bytes::from_static(b": on and on\n");
        let frames = futures_util::stream::repeat_with(move || {
            Ok::<_, std::io::Error>(Frame::data(piece.clone()))
        });
        let body = BodyExt::boxed(StreamBody::new(frames));
        with(http::Response::new(body), "content-type", "text/event-stream")
    };
    let silent = || {
        let frames = futures_util::stream::pending::<std::io::Result<Frame<bytes::Bytes>>>();
        with(
            http::Response::new(BodyExt::boxed(StreamBody::new(frames))),
            "content-type",
            "text/event-stream",
        )
    };
    let away: [Box<dyn Fn() -> Answer + Send + Sync>; 4] =
        [Box::new(|| answer(503, "later")), Box::new(broken), Box::new(endless), Box::new(silent)];
    for away in away {
        let away = listing(away).await;
        let mut config = ToolContractConfig::new("/mcp");
        (config.timeout, config.max_body) = (Duration::from_secs(5), 64 * 1024);
        let gate = ToolContract::new(config);
        for (live, idle) in [(&good, &away), (&away, &good)] {
            let error = gate.judge(&trial(client(live), client(idle))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_is_sent_and_not_told() {
    let seen = Arc::new(Mutex::new(false));
    let sent = seen.clone();
    let good = offering(tools(), false).await;
    let idle = Server::http(move |got| {
        let key = got.headers["authorization"].to_str().unwrap().to_owned();
        *sent.lock().unwrap() = key == "Bearer of-the-suite";
        async move { answer(200, json!({"id": 0, "error": key}).to_string()) }
    })
    .await;
    let mut config = ToolContractConfig::new("/mcp");
    config.headers.insert("authorization".to_owned(), "Bearer of-the-suite".into());
    let gate = ToolContract::new(config);
    let judgement = gate.judge(&trial(client(&good), client(&idle))).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert!(*seen.lock().unwrap());
    for text in [told(&judgement), format!("{gate:?}")] {
        assert!(!text.contains("of-the-suite"), "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_contract_is_said_at_once() {
    let text = "name: ''\npath: mcp\nprotocol: ''\ntimeout: 0s\nmax_body: 0\n\
        headers: { host: { env: BLUEGREEN_NO_SUCH_VARIABLE } }\n\
        tools: { find: { schema: 7, digest: 'sha256:12' } }\n";
    let problems = ToolContract::from_text("tools.yaml", text).unwrap_err().to_string();
    for wanted in [
        "tools.yaml:1:",
        "name",
        "path",
        "protocol",
        "timeout",
        "max_body",
        "headers.host",
        "tools.find.schema",
        "tools.find.digest",
        "`schema` and `digest`",
    ] {
        assert!(problems.contains(wanted), "{wanted}: {problems}");
    }
    for text in ["tools: {}", "tols: {}", "tools: { find: { schemas: {} } }", "more: sometimes"] {
        assert!(ToolContract::from_text("tools.yaml", text).is_err(), "{text}");
    }
}
