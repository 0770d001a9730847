//! Contracts of tools against MCP servers that know no sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bluegreen_core::{ErrorKind, Validator, Verdict};
use bluegreen_validate::prompt::{PinnedTool, ToolContract, ToolContractConfig};
use bluegreen_validate::{Value, json};

use crate::agents::client;
use crate::server::{Answer, Server, answer};
use crate::tool_contract::{as_live, listing, offering, spoken, tool, tools};
use crate::world::{assert_verdict, told, trial};

/// One that knows no sessions, refuses `initialize` like this, and counts how often.
async fn stateless(
    tools: Vec<Value>,
    refuse: impl Fn() -> Answer + Send + Sync + 'static,
) -> (Server, Arc<AtomicUsize>) {
    let refused = Arc::new(AtomicUsize::new(0));
    let (count, refuse) = (refused.clone(), Arc::new(refuse));
    let server = Server::http(move |got| {
        let body: Value = serde_json::from_slice(&got.body).unwrap();
        let answer = if body["method"] == "tools/list" {
            let meta =
                |name: &str| &body["params"]["_meta"][format!("io.modelcontextprotocol/{name}")];
            assert_eq!(meta("protocolVersion"), "2026-07-28");
            assert_eq!(meta("clientCapabilities"), &json!({}));
            assert_eq!(meta("clientInfo")["name"], "bluegreen");
            assert_eq!(got.headers["mcp-protocol-version"], "2026-07-28");
            assert_eq!(got.headers["mcp-method"], "tools/list");
            assert!(!got.headers.contains_key("mcp-session-id"));
            let page: usize = body["params"]["cursor"].as_str().map_or(0, |it| it.parse().unwrap());
            let next = (page + 1 < tools.len()).then(|| (page + 1).to_string());
            let result = json!({"tools": [tools[page]], "nextCursor": next});
            answer(200, json!({"jsonrpc": "2.0", "id": body["id"], "result": result}).to_string())
        } else {
            assert_eq!(body["method"], "initialize");
            count.fetch_add(1, Ordering::SeqCst);
            refuse()
        };
        async move { answer }
    })
    .await;
    (server, refused)
}

fn no_such_method() -> Answer {
    let error = json!({"code": -32601, "message": "no such method"});
    answer(200, json!({"jsonrpc": "2.0", "id": 0, "error": error}).to_string())
}

#[tokio::test]
async fn a_server_without_sessions_is_asked_without_one() {
    for status in [200, 400, 404, 405, 501] {
        let refuse = move || if status == 200 { no_such_method() } else { answer(status, "no") };
        let (live, refused) = stateless(tools(), refuse).await;
        let (idle, refused_idle) = stateless(tools(), refuse).await;
        assert_verdict(&as_live(&live, &idle).await.unwrap(), Verdict::Pass);
        // The candidate is asked as live was.
        let counts = [&refused, &refused_idle].map(|it| it.load(Ordering::SeqCst));
        assert_eq!(counts, [1, 0], "{status}");
        let (other, _) = stateless(vec![tool("find", "Finds it.", "string")], refuse).await;
        let judgement = as_live(&live, &other).await.unwrap();
        assert_verdict(&judgement, Verdict::Fail);
        assert!(told(&judgement).contains("tool refund"), "{}", told(&judgement));
    }
    // With pinned tools nobody shows that those who call them do without a session.
    let (idle, _) = stateless(tools(), no_such_method).await;
    let mut config = ToolContractConfig::new("/mcp");
    config.tools = Some([("find".to_owned(), PinnedTool::default())].into());
    let away = listing(|| answer(500, "")).await;
    let trial = trial(client(&away), client(&idle));
    let judgement = ToolContract::new(config.clone()).judge(&trial).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert!(told(&judgement).contains("initialize"), "{}", told(&judgement));
    // A version that has no sessions begins none.
    let (idle, refused) = stateless(tools(), no_such_method).await;
    config.protocol = "2026-07-28".to_owned();
    let mut trial = trial;
    trial.candidate.client = client(&idle);
    assert_verdict(&ToolContract::new(config).judge(&trial).await.unwrap(), Verdict::Pass);
    assert_eq!(refused.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_candidate_that_is_called_in_another_way_than_live_does_not_pass() {
    let in_session = offering(tools(), false).await;
    let (without, _) = stateless(tools(), no_such_method).await;
    let judgement = as_live(&in_session, &without).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert!(told(&judgement).contains("initialize: "), "{}", told(&judgement));
    let (without_status, _) = stateless(tools(), || answer(405, "no")).await;
    let error = as_live(&in_session, &without_status).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    // One that wants a session where live does without.
    let strict = Server::http(|got| {
        let is_in_session = got.headers.contains_key("mcp-session-id");
        let is_first = String::from_utf8_lossy(&got.body).contains("\"initialize\"");
        let error = json!({"id": 1, "error": {"code": -32600, "message": "no session"}});
        let answer = if is_in_session || is_first {
            spoken(&got, &tools(), false)
        } else {
            answer(200, error.to_string())
        };
        async move { answer }
    })
    .await;
    let judgement = as_live(&without, &strict).await.unwrap();
    assert_verdict(&judgement, Verdict::Fail);
    assert!(told(&judgement).contains("no session"), "{}", told(&judgement));
}

#[tokio::test]
async fn an_error_of_live_does_not_show_that_it_knows_no_sessions() {
    let broken = || {
        let error = json!({"code": -32603, "message": "out of memory"});
        answer(200, json!({"jsonrpc": "2.0", "id": 0, "error": error}).to_string())
    };
    let (live, _) = stateless(tools(), broken).await;
    let (idle, refused) = stateless(tools(), broken).await;
    let judgement = as_live(&live, &idle).await.unwrap();
    assert_verdict(&judgement, Verdict::Inconclusive);
    assert!(told(&judgement).contains("out of memory"), "{}", told(&judgement));
    assert_eq!(refused.load(Ordering::SeqCst), 0, "the candidate is not asked");
}

#[tokio::test]
async fn one_that_answers_nothing_at_all_says_both() {
    let good = offering(tools(), false).await;
    let refusing = Server::http(|_| async { answer(404, "not here") }).await;
    let error = as_live(&refusing, &good).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.chain().contains("and no session: status 404"), "{}", error.chain());
    // Who is away does not refuse, and is asked nothing else.
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let away = Server::http(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { answer(503, "later") }
    })
    .await;
    assert_eq!(as_live(&away, &good).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
