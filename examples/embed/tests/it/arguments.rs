//! What the program says before it needs a cluster.

use std::process::Command as Program;

use bluegreen_core::{Change, OperationError, Outcome, PhaseName, Problem, Reason, Stuck};
use embed::{Command, exit_code};

#[test]
fn wrong_usage_is_said_and_ends_with_2() {
    let wrong: [&[&str]; 3] = [&[], &["ai-agents", "agent-service"], &["ns", "agent", "1.3.0"]];
    for arguments in wrong {
        let end = Program::new(env!("CARGO_BIN_EXE_embed")).args(arguments).output().unwrap();
        assert_eq!(end.status.code(), Some(2));
        let said = String::from_utf8(end.stderr).unwrap();
        assert!(said.contains("embed NAMESPACE SERVICE CONTAINER=IMAGE"), "{said}");
    }
}

#[test]
fn commands_are_read() {
    let image = "registry.example.com:5000/agent-service@sha256:0123";
    let read = Command::parse(&format!("agent={image}"));
    assert_eq!(read, Some(Command::Release(Change::image("agent", image))));
    assert_eq!(Command::parse("resume"), Some(Command::Resume));
    assert_eq!(Command::parse("rollback"), Some(Command::Rollback));
    assert_eq!(Command::parse("registry.example.com/agent-service:1.3.0"), None);
}

#[test]
fn each_kind_of_end_has_its_code() {
    let back = || {
        let reason = Reason::Requested { actor: "ann".into(), reason: "wrong refunds".into() };
        Outcome::RolledBack { reason }
    };
    let stuck = Outcome::Stuck { stuck: Stuck::new(PhaseName::Shifting, "moved", "look") };
    let busy =
        OperationError::Busy { phase: PhaseName::Baking, until: None, advice: "wait".into() };
    let problems = vec![Problem::new("no-route", "routing.json")];
    let ends = [
        (Command::Resume, Ok(Outcome::Released), 0),
        (Command::Rollback, Ok(back()), 0),
        (Command::Resume, Err(OperationError::NoRelease), 1),
        (Command::Resume, Ok(Outcome::Refused { problems }), 3),
        (Command::Resume, Ok(back()), 4),
        (Command::Rollback, Ok(stuck), 5),
        (Command::Resume, Err(busy), 6),
    ];
    for (command, end, code) in ends {
        assert_eq!(exit_code(&command, &end), code, "{end:?}");
    }
}
