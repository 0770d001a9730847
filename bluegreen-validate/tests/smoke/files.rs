//! Definitions in files.

use std::time::Duration;

use bluegreen_core::{Error, ErrorKind};
use bluegreen_validate::{Percentile, Request, Smoke, SmokeConfig, json};
use proptest::prelude::*;

/// A file of this test's own that goes with it.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = std::env::temp_dir().join(format!("bluegreen-smoke-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What the files of these tests say, in code.
fn wanted() -> Smoke {
    Smoke::get("/readyz").expect_version().timeout(Duration::from_secs(5)).and(
        Request::post("/chat", json!({"message": "Where is my parcel?"}))
            .named("parcel")
            .header_from_env("authorization", "AGENT_AUTHORIZATION")
            .header("x-tenant", "smoke")
            .timeout(Duration::from_secs(30))
            .expect_status(200..=204)
            .expect_header_containing("content-type", "json")
            .expect_header_present("x-request-id")
            .expect_header_absent("x-debug")
            .expect_body_containing("parcel")
            .expect_body_lacking("stack trace")
            .expect_json("/language", "en")
            .expect_json_present("/reply")
            .latency(Percentile(99), Duration::from_millis(800), 100, 10)
            .streams(5, Duration::from_secs(2)),
    )
}

const JSON: &str = r#"{
  "timeout": "5s",
  "requests": [
    {"path": "/readyz", "expect": {"version": {"header": "x-agent-version"}}},
    {
      "name": "parcel",
      "method": "POST",
      "path": "/chat",
      "headers": {"authorization": {"env": "AGENT_AUTHORIZATION"}, "x-tenant": "smoke"},
      "body": {"json": {"message": "Where is my parcel?"}},
      "timeout": "30s",
      "expect": {
        "status": "200-204",
        "headers": {
          "content-type": {"contains": "json"},
          "x-request-id": "present",
          "x-debug": ["absent"]
        },
        "body": [{"contains": "parcel"}, {"lacks": "stack trace"}],
        "json": {"/language": "en"},
        "json_present": ["/reply"]
      },
      "latency": [{"percentile": 99, "limit": "800ms", "requests": 100, "concurrency": 10}],
      "stream": {"min_pieces": 5, "max_gap": "2s"}
    }
  ]
}"#;

/// The variable is not set where the tests run; that is the one problem of this file.
fn without_variable(text: &str) -> String {
    text.replace("AGENT_AUTHORIZATION", "CARGO_PKG_NAME")
}

#[test]
fn json_says_the_same_as_code() {
    let config: SmokeConfig = serde_json::from_str(JSON).unwrap();
    assert_eq!(&config, wanted().config());
    let file = File::new("same.json", without_variable(JSON));
    let read = Smoke::from_file(&file.0).unwrap();
    let config: SmokeConfig = serde_json::from_str(&without_variable(JSON)).unwrap();
    assert_eq!(read, Smoke::new(config));
}

#[test]
fn all_problems_of_a_file_come_at_once_with_their_places() {
    let text = r#"{
  "timeout": "5 parsecs",
  "requests": [
    {"path": "readyz", "expect": {"status": 99, "headers": {"a b": "present"}}},
    {"pth": "/chat"},
    {"path": "/chat", "expect": {"json": {"text": 1}}, "latency": [
      {"percentile": 0, "limit": "1s", "requests": 5, "concurrency": 10}
    ]}
  ]
}"#;
    let error = SmokeConfig::parse("smoke.json", text).unwrap_err();
    let problems: Vec<_> = error
        .problems()
        .iter()
        .map(|problem| format!("{}: {}", problem.object, problem.found))
        .collect();
    assert_eq!(
        problems,
        [
            "smoke.json:2:14, timeout: `5 parsecs` is not a duration like `30m`: unknown time \
             unit \"parsecs\", supported units: ns, us/µs, ms, sec, min, hours, days, weeks, \
             months, years (and few variations)",
            "smoke.json:4:14, smoke, requests[0] (GET readyz), path: the path `readyz`",
            "smoke.json:4:45, smoke, requests[0] (GET readyz), expect.status: 99 to 99",
            "smoke.json:4:68, smoke, requests[0] (GET readyz), expect.headers[\"a b\"]: the name \
             `a b`",
            "smoke.json:5:13, requests[1].pth: unknown field `pth`, expected one of `name`, \
             `method`, `path`, `headers`, `body`, `timeout`, `expect`, `latency`, `first_byte`, \
             `stream`",
            "smoke.json:6:51, smoke, requests[2] (GET /chat), expect.json.text: `text`",
            "smoke.json:7:22, smoke, requests[2] (GET /chat), latency[0].percentile: 0",
            "smoke.json:7:70, smoke, requests[2] (GET /chat), latency[0].concurrency: 10",
        ]
    );
    assert!(error.to_string().starts_with("smoke.json: 8 problems\n  smoke.json:2:14, timeout"));
    let error = Error::from(error);
    assert_eq!((error.kind(), error.action()), (ErrorKind::Rejected, "read smoke.json"));
}

#[test]
fn what_follows_from_a_problem_is_no_second_one() {
    let error = SmokeConfig::parse("smoke.json", r#"{"requests": [{"path": 7}]}"#).unwrap_err();
    let objects: Vec<_> = error.problems().iter().map(|problem| &*problem.object).collect();
    assert_eq!(objects, ["smoke.json:1:24, requests[0].path"]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let found = |name: &str, content: &[u8]| {
        let file = File::new(name, content);
        let error = Smoke::from_file(&file.0).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        error.problems()[0].found.clone()
    };
    assert_eq!(found("large.json", &vec![b' '; (1 << 20) + 1]), "more than 1 MiB");
    assert_eq!(found("bytes.json", b"{\"name\": \"\xff\"}"), "bytes that are no text at byte 10");
    assert_eq!(found("smoke.ini", b""), "a name that ends in `.ini`");
    let error = Smoke::from_file("/no/such/smoke.json").unwrap_err();
    assert!(error.to_string().contains("/no/such/smoke.json: found No such file"), "{error}");
}

/// Any text at all, and good definitions with a piece of them replaced by something else.
fn texts(good: &'static str) -> impl Strategy<Value = String> {
    let changed = (0..good.len(), 0..40_usize, "[\\PC\n]{0,12}").prop_map(|(at, length, piece)| {
        let mut bytes = good.as_bytes().to_vec();
        bytes.splice(at..(at + length).min(good.len()), piece.into_bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    });
    prop_oneof![1 => "[\\PC\n]{0,200}", 9 => changed]
}

/// Whatever the text, it is read or every problem names its place.
fn parses_or_tells(name: &str, text: &str) {
    let Err(error) = SmokeConfig::parse(name, text) else { return };
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        let place = problem.object.strip_prefix(name).and_then(|it| it.strip_prefix(':'));
        let mut numbers = place.unwrap().splitn(3, [':', ',']).take(2);
        let line: usize = numbers.next().unwrap().parse().unwrap();
        let column: usize = numbers.next().unwrap().parse().unwrap();
        let lines: Vec<&str> = text.split('\n').collect();
        assert!(1 <= line && line <= lines.len() && column >= 1, "{problem} of {text:?}");
    }
}

proptest! {
    #[test]
    fn any_json_is_read_or_its_problems_have_places(text in texts(JSON)) {
        parses_or_tells("any.json", &text);
    }
}

#[cfg(not(feature = "yaml"))]
#[test]
fn without_the_feature_yaml_is_refused_and_it_is_said_why() {
    let error = SmokeConfig::parse("smoke.yaml", "requests: []").unwrap_err();
    assert!(error.to_string().contains("feature `yaml`"), "{error}");
}

#[cfg(feature = "yaml")]
mod yaml {
    use super::*;

    const YAML: &str = "\
timeout: 5s
requests:
  - path: /readyz
    expect: { version: { header: x-agent-version } }
  - name: parcel
    method: POST
    path: /chat
    headers:
      authorization: { env: AGENT_AUTHORIZATION }
      x-tenant: smoke
    body: { json: { message: \"Where is my parcel?\" } }
    timeout: 30s
    expect:
      status: 200-204
      headers:
        content-type: { contains: json }
        x-request-id: present
        x-debug: absent
      body:
        - contains: parcel
        - lacks: stack trace
      json: { /language: en }
      json_present: [/reply]
    latency:
      - { percentile: 99, limit: 800ms, requests: 100, concurrency: 10 }
    stream: { min_pieces: 5, max_gap: 2s }
";

    #[test]
    fn yaml_says_the_same_as_code() {
        let yaml = SmokeConfig::parse("smoke.yaml", &without_variable(YAML)).unwrap();
        let json = SmokeConfig::parse("smoke.json", &without_variable(JSON)).unwrap();
        assert_eq!(yaml, json);
        assert_eq!(yaml.digest(), json.digest());
    }

    proptest! {
        #[test]
        fn any_yaml_is_read_or_its_problems_have_places(text in texts(YAML)) {
            parses_or_tells("any.yaml", &text);
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_with_its_place() {
        let error = SmokeConfig::parse("smoke.yaml", YAML).unwrap_err();
        let object = "smoke.yaml:9:22, smoke, requests[1] (POST /chat (parcel)), \
                      headers.authorization";
        assert_eq!(error.problems()[0].object, object);
    }
}
