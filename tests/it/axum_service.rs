//! The example `axum_service`, built, started and asked over HTTP as its clients do, and ended as a service manager does.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::examples::program;

/// More than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// The service as a process of its own. Killed when dropped.
struct Service {
    process: Child,
    lines: mpsc::Receiver<String>,
    address: String,
}

impl Service {
    fn start(grace: &str) -> Self {
        let mut process = Command::new(program("axum_service"))
            .args(["--grace", grace])
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut service = Self { process, lines, address: String::new() };
        let line = service.line();
        service.address = line.strip_prefix("listening on http://").unwrap().to_owned();
        service
    }

    /// The next line that it prints.
    fn line(&self) -> String {
        self.lines.recv_timeout(LIMIT).unwrap()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.process.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for the end, and gives the lines up to it.
    fn end(mut self) -> (ExitStatus, Vec<String>) {
        let start = Instant::now();
        let mut lines = Vec::new();
        // Its lines end with it.
        while let Ok(line) = self.lines.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
            lines.push(line);
        }
        assert!(start.elapsed() < LIMIT, "it does not end: {lines:?}");
        (self.process.wait().unwrap(), lines)
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Client(BufReader::new(stream))
    }

    /// Waits until it answers for so many runs.
    fn has_runs(&self, runs: usize) {
        let (mut client, start) = (self.connect(), Instant::now());
        while client.get("/status").1["runs"] != runs {
            assert!(start.elapsed() < LIMIT, "there are never {runs} runs");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One connection, which is kept open from request to request.
struct Client(BufReader<TcpStream>);

impl Client {
    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn begin_post(&mut self, path: &str, body: &Value) {
        let body = body.to_string();
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }

    fn answer(&mut self) -> (u16, Value) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let mut length = 0;
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            let header = line.trim_end().to_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        self.begin_post(path, body);
        self.answer()
    }

    fn get(&mut self, path: &str) -> (u16, Value) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        self.answer()
    }

    /// Waits until the status says that no requests are taken any more.
    fn is_told_to_look_elsewhere(&mut self) {
        let start = Instant::now();
        while self.get("/status").0 != 503 {
            assert!(start.elapsed() < LIMIT, "it never is");
        }
    }

    /// Whether the service has closed the connection.
    fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).map_or(true, |read| read == 0)
    }
}

#[test]
fn it_answers_for_each_text_and_for_each_agent() {
    let service = Service::start("10s");
    let mut client = service.connect();
    let texts = json!(["Good and short.", "a flaky one!", "", "do not panic", "it will hang"]);
    let (status, answer) = client.post("/review", &texts);
    assert_eq!(status, 200);
    assert_eq!(answer[0], json!({ "ok": { "words": 3, "loud": false } }));
    assert_eq!(answer[1], json!({ "ok": { "words": 3, "loud": true } }));
    let failure = |text: usize| (answer[text]["code"].clone(), answer[text]["attempts"].clone());
    assert_eq!(failure(2), (json!("empty"), json!(1)));
    assert_eq!(failure(3), (json!("panicked"), json!(3)));
    assert_eq!(failure(4), (json!("timed_out"), json!(1)));

    assert_eq!(client.post("/agents/wait", &json!({ "ms": 1 })), (200, json!({ "ms": 1 })));
    assert_eq!(client.post("/agents/review", &json!("one two")).1["words"], 2);
    let (status, answer) = client.post("/agents/wait", &json!("a minute"));
    assert_eq!((status, &answer["code"]), (422, &json!("bad_input")));
    assert!(answer["error"].as_str().unwrap().contains("does not fit agent `wait`"), "{answer}");
    assert_eq!(client.post("/agents/nobody", &json!(1)).0, 404);
    assert_eq!(client.post("/agents/review", &json!("hang")).0, 504);
    assert_eq!(client.post("/agents/review", &json!("")).0, 500);
    let status = json!({ "phase": "Running", "runs": 0, "agents": ["review", "wait"] });
    assert_eq!(client.get("/status"), (200, status));

    service.signal("INT");
    let (status, lines) = service.end();
    assert!(status.success());
    assert_eq!(lines.last().unwrap(), "axum_service: requests=7 ok=3 refused=0 cut_short=0");
    assert!(client.is_closed());
}

#[test]
fn a_shutdown_lets_requests_finish_refuses_new_ones_and_cuts_short_what_takes_too_long() {
    let service = Service::start("3s");
    let [mut open, mut slow, mut endless, mut half] = [(); 4].map(|()| service.connect());
    assert_eq!(open.post("/agents/wait", &json!({ "ms": 0 })).0, 200);
    slow.begin_post("/agents/wait", &json!({ "ms": 500 }));
    endless.begin_post("/agents/wait", &json!({ "ms": 3_600_000 }));
    half.send("POST /agents/wait HTTP/1.1\r\nhost");
    service.has_runs(2);

    service.signal("TERM");
    let start = Instant::now();
    assert_eq!(service.line(), "shutting down");
    open.is_told_to_look_elsewhere();
    let (status, answer) = open.post("/agents/wait", &json!({ "ms": 0 }));
    let refused = json!({ "error": "the system was shut down", "code": "shut_down", "attempts": 0 });
    assert_eq!((status, &answer), (503, &refused));
    assert_eq!(open.post("/review", &json!(["one", "two"])), (503, json!([refused, refused])));
    assert_eq!(service.connect().post("/review", &json!(["one"])), (503, json!([refused])));

    assert_eq!(slow.answer(), (200, json!({ "ms": 500 })));
    let (status, answer) = endless.answer();
    assert_eq!((status, &answer["code"], &answer["attempts"]), (503, &json!("shut_down"), &json!(1)));
    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(lines, ["1 run was cut short", "axum_service: requests=6 ok=2 refused=3 cut_short=1"]);
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(open.is_closed() && half.is_closed());
}

#[test]
fn a_second_signal_ends_the_grace_and_what_is_done_is_answered() {
    let service = Service::start("1h");
    let [mut client, mut status] = [(); 2].map(|()| service.connect());
    let mut texts = vec!["it will hang"; 1000];
    texts[0] = "Good.";
    client.begin_post("/review", &json!(texts));
    service.has_runs(1);
    // Takes as long as the first one of those texts, twice.
    assert_eq!([(); 2].map(|()| status.post("/agents/review", &json!("Good.")).0), [200, 200]);
    service.signal("INT");
    assert_eq!(service.line(), "shutting down");
    status.is_told_to_look_elsewhere();
    service.signal("INT");
    let (status, answer) = client.answer();
    assert_eq!((status, &answer[0]["ok"]["words"]), (503, &json!(1)));
    assert_eq!((&answer[999]["code"], &answer[999]["attempts"]), (&json!("shut_down"), &json!(0)));
    let (status, lines) = service.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(lines.last().unwrap(), "axum_service: requests=3 ok=2 refused=0 cut_short=1");
}

#[test]
fn it_refuses_bad_arguments_by_name() {
    for (arguments, named) in
        [(["--port", "x"], "--port"), (["--grace", "soon"], "--grace"), (["--host", "x"], "--host")]
    {
        let output = Command::new(program("axum_service")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(named), "{message}");
    }
}
