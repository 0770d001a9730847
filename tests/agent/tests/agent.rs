//! Starts the real program on a port of the system's choice, and talks to it.
//!
//! Nothing here sleeps: each test waits for an answer, a line or an exit.

// clippy's exception for tests is for the test functions alone, not for what they call.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Long enough for a slow machine; reached only when something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

struct Agent {
    child: Child,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Agent {
    fn start(env: &[(&str, &str)]) -> Self {
        let mut child = command(env).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let port = line.trim_end().rsplit(':').next().unwrap().parse().expect(&line);
        Self { child, output, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    fn connect(&self) -> BufReader<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        BufReader::new(stream)
    }

    /// The whole answer to one request over a connection of its own.
    fn ask(&self, request: &str, body: &str) -> String {
        let mut connection = self.connect();
        let length = body.len();
        let head = "HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length:";
        write!(connection.get_mut(), "{request} {head} {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn status(&self, request: &str) -> u16 {
        self.ask(request, "").split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    fn exit(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agent"));
    command.env_clear().env("AGENT_PORT", "0").env("AGENT_VERSION", "1.2.0");
    command.env("HOSTNAME", "agent-0").envs(env.iter().copied());
    command
}

#[test]
fn answers_say_the_version() {
    let agent = Agent::start(&[]);
    let answer = agent.ask("GET /", "");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("x-agent-version: 1.2.0\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n{\"version\":\"1.2.0\",\"pod\":\"agent-0\"}"), "{answer}");

    let answer = agent.ask("POST /chat", "say \"hi\"");
    assert!(answer.ends_with(",\"reply\":\"say \\\"hi\\\"\"}"), "{answer}");
    assert!(agent.ask("GET /nowhere", "").contains("x-agent-version: 1.2.0\r\n"));
    assert_eq!(agent.status("GET /nowhere"), 404);
    assert_eq!(agent.status("GET /admin/unready"), 405);
    assert_eq!(agent.status("POST /readyz"), 405);
    assert_eq!(agent.status("POST /admin/nothing"), 404);
}

#[test]
fn switches_change_the_behaviour_and_reset_undoes_it() {
    let agent = Agent::start(&[]);
    assert_eq!(agent.status("GET /readyz"), 200);
    assert_eq!(agent.status("POST /admin/unready"), 200);
    assert_eq!(agent.status("GET /readyz"), 503);
    assert_eq!(agent.status("GET /"), 200, "an agent that is not ready still answers");
    assert_eq!(agent.status("POST /admin/ready"), 200);
    assert_eq!(agent.status("GET /readyz"), 200);

    assert_eq!(agent.status("POST /admin/fail?rate=0.5"), 200);
    let statuses: Vec<_> = (0..4).map(|_| agent.status("GET /chat")).collect();
    assert_eq!(statuses, [200, 500, 200, 500]);
    assert_eq!(agent.status("POST /admin/fail?rate=2"), 400);
    assert_eq!(agent.status("POST /admin/slow?ms=x"), 400);
    assert_eq!(agent.status("POST /admin/reset"), 200);
    assert_eq!(agent.status("GET /chat"), 200);

    let metrics = agent.ask("GET /metrics", "");
    assert!(metrics.contains("content-type: application/openmetrics-text;"), "{metrics}");
    assert!(metrics.contains("agent_requests_total 6\n"), "{metrics}");
    assert!(metrics.contains("agent_requests_failed_total 2\n"), "{metrics}");
}

#[test]
fn reset_goes_back_to_what_the_environment_said() {
    let agent = Agent::start(&[("AGENT_UNREADY", "1"), ("AGENT_FAIL_RATE", "1")]);
    assert_eq!(agent.status("POST /admin/ready"), 200);
    assert_eq!(agent.status("POST /admin/fail?rate=0"), 200);
    assert_eq!((agent.status("GET /readyz"), agent.status("GET /")), (200, 200));
    assert_eq!(agent.status("POST /admin/reset"), 200);
    assert_eq!((agent.status("GET /readyz"), agent.status("GET /")), (503, 500));
}

#[test]
fn a_stream_comes_in_pieces_and_outlives_sigterm() {
    let mut agent = Agent::start(&[]);
    let mut stream = agent.connect();
    let request = "GET /stream?chunks=3&interval_ms=20 HTTP/1.1\r\nHost: agent\r\n\r\n";
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    while !line.contains("1.2.0 1/3") {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0);
    }
    assert!(agent.ask("GET /metrics", "").contains("agent_inflight_requests 1\n"));

    agent.terminate();
    line.clear();
    agent.output.read_line(&mut line).unwrap();
    assert_eq!(line, "agent 1.2.0 was told to end\n");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("1.2.0 3/3\n") && rest.ends_with("\r\n0\r\n\r\n"), "{rest:?}");
    let address = agent.address;
    assert_eq!(agent.exit().code(), Some(0));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn with_a_term_delay_it_serves_on_but_is_not_ready() {
    let mut agent = Agent::start(&[("AGENT_TERM_DELAY_MS", "600000")]);
    agent.terminate();
    let mut line = String::new();
    agent.output.read_line(&mut line).unwrap();
    assert_eq!(line, "agent 1.2.0 was told to end\n");
    assert_eq!((agent.status("GET /readyz"), agent.status("GET /")), (503, 200));
}

#[test]
fn sigterm_can_be_ignored() {
    let mut agent = Agent::start(&[("AGENT_IGNORE_SIGTERM", "1")]);
    agent.terminate();
    let mut line = String::new();
    agent.output.read_line(&mut line).unwrap();
    assert_eq!(line, "agent: ignores SIGTERM, as AGENT_IGNORE_SIGTERM says\n");
    assert_eq!(agent.status("GET /readyz"), 200);
    agent.child.kill().unwrap();
    assert_eq!(agent.exit().signal(), Some(9));
}

#[test]
fn an_exit_is_answered_first() {
    let agent = Agent::start(&[]);
    assert_eq!(agent.status("POST /admin/exit?code=7"), 200);
    assert_eq!(agent.exit().code(), Some(7));
}

#[test]
fn it_crashes_before_it_listens() {
    let env = [("AGENT_CRASH_AFTER_MS", "1"), ("AGENT_START_DELAY_MS", "600000")];
    let output = command(&env).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn a_setting_that_makes_no_sense_ends_it() {
    let output = command(&[("AGENT_SLOW_MS", "soon")]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("AGENT_SLOW_MS"));
    assert_eq!(command(&[]).arg("serve").output().unwrap().status.code(), Some(2));
}

#[test]
fn pause_ends_on_sigterm() {
    let mut child = command(&[]).arg("pause").stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "pauses\n");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// One answer of a connection that is kept: its head, once its body of this length was read too.
fn kept(connection: &mut BufReader<TcpStream>, path: &str) -> String {
    write!(connection.get_mut(), "GET {path} HTTP/1.1\r\nHost: agent\r\n\r\n").unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(connection.read_line(&mut head).unwrap(), 0, "it hung up: {head}");
    }
    let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    connection.read_exact(&mut body).unwrap();
    head
}

#[test]
fn clients_are_let_go_with_their_next_answer_and_come_back_as_usual() {
    let agent = Agent::start(&[]);
    let mut before = agent.connect();
    assert!(!kept(&mut before, "/").contains("connection: close"));
    let mut stream = agent.connect();
    let request = "GET /stream?chunks=20&interval_ms=20 HTTP/1.1\r\nHost: agent\r\n\r\n";
    stream.get_mut().write_all(request.as_bytes()).unwrap();
    let mut line = String::new();
    while !line.contains("1.2.0 1/20") {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0);
    }
    assert_eq!(agent.status("POST /admin/leave"), 200);
    let mut after = agent.connect();
    for _ in 0..2 {
        assert!(!kept(&mut after, "/").contains("connection: close"), "a later one is kept");
    }
    assert!(kept(&mut before, "/").contains("connection: close\r\n"));
    assert_eq!(before.read_line(&mut line).unwrap(), 0, "and then it ends");
    while !line.contains("1.2.0 20/20") {
        line.clear();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "a stream is not cut");
    }
}

/// The next HTTP/2 frame: its type and flags.
fn frame(connection: &mut BufReader<TcpStream>) -> (u8, u8) {
    let mut head = [0; 9];
    connection.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    connection.read_exact(&mut payload).unwrap();
    if head[3] == 6 && head[4] == 0 {
        // A ping has to be answered, with what was in it.
        connection.get_mut().write_all(&[0, 0, 8, 6, 1, 0, 0, 0, 0]).unwrap();
        connection.get_mut().write_all(&payload).unwrap();
    }
    (head[3], head[4])
}

#[test]
fn clients_of_the_second_version_are_told_at_once() {
    const DATA: u8 = 0;
    const GOAWAY: u8 = 7;
    let agent = Agent::start(&[]);
    let mut connection = agent.connect();
    // The preface, settings that change nothing, and `GET /` as the first stream.
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]];
    connection.get_mut().write_all(&hello.concat()).unwrap();
    connection.get_mut().write_all(&[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84]).unwrap();
    while frame(&mut connection) != (DATA, 1) {}
    assert_eq!(agent.status("POST /admin/leave"), 200);
    while frame(&mut connection).0 != GOAWAY {}
    let mut rest = Vec::new();
    while !connection.fill_buf().unwrap().is_empty() {
        rest.push(frame(&mut connection).0);
    }
    assert!(rest.iter().all(|kind| [3, 4, 6, 7, 8].contains(kind)), "it ends: {rest:?}");
}

/// A queue whose right to pull is what `right` says. Tells the first line of each request.
fn queue(right: Arc<Mutex<&'static str>>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = channel();
    std::thread::spawn(move || {
        let mut items = 0;
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut line) = (String::new(), String::new());
            stream.read_line(&mut first).unwrap();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            let body = if first.starts_with("GET /right ") {
                format!("{}\n", right.lock().unwrap())
            } else {
                items += 1;
                items.to_string()
            };
            // Before the answer: what the worker says next is said after this.
            if told.send(first).is_err() {
                return;
            }
            let length = body.len();
            let status = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
            write!(stream.get_mut(), "{status} {length}\r\n\r\n{body}").unwrap();
        }
    });
    (address, heard)
}

#[test]
fn a_worker_takes_items_only_while_its_slot_has_the_right_to() {
    let right = Arc::new(Mutex::new("green"));
    let (address, heard) = queue(Arc::clone(&right));
    let (queue, source) = (format!("http://{address}"), format!("http://{address}/right"));
    let agent = Agent::start(&[
        ("AGENT_QUEUE_URL", queue.as_str()),
        ("AGENT_RIGHT_URL", source.as_str()),
        ("AGENT_SLOT", "blue"),
    ]);
    let next = || heard.recv_timeout(PATIENCE).unwrap();
    let only_looks = || {
        for _ in 0..3 {
            assert!(next().starts_with("GET /right "));
        }
    };
    only_looks();
    assert!(agent.ask("GET /metrics", "").contains("agent_pulling 0\n"));
    *right.lock().unwrap() = "blue";
    // It looks at the right while it works, too.
    let work = || std::iter::repeat_with(next).find(|it| !it.starts_with("GET /right ")).unwrap();
    let take = work();
    assert_eq!(take, "POST /take?version=1.2.0&pod=agent-0 HTTP/1.1\r\n");
    let done = work();
    assert!(done.starts_with("POST /done?item=1&version=1.2.0"), "{done}");
    *right.lock().unwrap() = "green";
    while !agent.ask("GET /metrics", "").contains("agent_pulling 0\n") {}
    // What it had taken by then it finishes.
    while !agent.ask("GET /metrics", "").contains("agent_inflight_requests 0\n") {}
    while heard.try_recv().is_ok() {}
    only_looks();
    *right.lock().unwrap() = "blue";
    while !work().starts_with("POST /take") {}
    agent.terminate();
    // What it has taken it also ends.
    assert!(work().starts_with("POST /done"));
    assert_eq!(agent.exit().code(), Some(0));
}
