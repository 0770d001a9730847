//! Prompt regression against real HTTP servers on loopback, and against scripted agents where time
//! must be exact.

#![cfg(feature = "prompts")]
#![allow(clippy::unwrap_used, reason = "clippy takes only the test functions themselves for tests")]

mod a2a;
mod agents;
mod baseline;
mod case_file;
mod cassette;
mod conformance;
mod contexts;
mod fake;
mod files;
mod graders;
mod judges;
mod limits;
mod openai;
mod pairwise;
mod pairwise_turns;
mod promptfoo;
mod report;
mod responses;
mod resume;
#[path = "../smoke/server.rs"]
mod server;
mod streams;
mod tool_contract;
mod tool_contract_stateless;
mod verdicts;
mod warm_up;
mod warm_up_http;
mod world;
