//! Lines of an export in which one number or text was changed.

use std::time::Duration;

use serde_json::{Value, json};
use sortie::journal::ImportError;
use sortie::{AgentError, Backoff, LaunchFilter, Phase, Restart, SledJournal, System, agent_fn};
use tokio::time::sleep;

use crate::directory::{Directory, names};
use crate::support::SECOND;

const FIRST_LINE: &str = r#"{"sortie":"launches","version":1}"#;

async fn start(path: &std::path::Path) -> (System, sortie::AgentRef<Value, Value>) {
    let agent = agent_fn(|what: Value, cx: sortie::AgentContext| async move {
        match what.as_str() {
            Some("fail") => Err(AgentError::fatal("told to")),
            Some("again") if cx.attempt() == 1 => Err(AgentError::retry("once more").with_code("code")),
            Some("hang") => std::future::pending().await,
            _ => Ok(what),
        }
    });
    let mut builder = System::builder().journal(SledJournal::open(path).unwrap());
    let agent = builder.register(agent.named("told"));
    (builder.start().await.unwrap(), agent)
}

/// One launch in each state, as lines.
async fn lines() -> Vec<Value> {
    let directory = Directory::new();
    let (system, agent) = start(&directory.journal()).await;
    let hour = Backoff::exponential(3600 * SECOND).max(7200 * SECOND);
    for what in ["done", "fail", "again", "hang", "wait"] {
        let launch = system.launch(&agent, what.into()).key(what).lane(what).timeout(86_400 * SECOND);
        let launch = launch.restart(Restart::attempts(3).backoff(hour.clone()));
        let launch = if what == "wait" { launch.delay(86_400 * SECOND) } else { launch };
        launch.await.unwrap();
    }
    sleep(SECOND).await;
    let mut copied = Vec::new();
    crate::directory::copy(&directory.journal(), &directory.path().join("copy"));
    SledJournal::export(directory.path().join("copy"), &mut copied).unwrap();
    system.shutdown(Duration::ZERO).await.unwrap();
    let text = String::from_utf8(copied).unwrap();
    let lines: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().any(|line| line["state"]["running"].is_object()), "{text}");
    lines
}

/// The paths of all numbers and texts of a value.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, &format!("{path}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| leaves(value, &format!("{path}/{at}"), found));
        }
        Value::Number(_) | Value::String(_) => found.push(path.to_owned()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// What a number or a text is changed to: the worst, and one of the others by chance.
fn changes(value: &Value, random: &mut fastrand::Rng) -> Vec<Value> {
    let mut all = extremes(value);
    let other = all.swap_remove(random.usize(1..all.len()));
    vec![all.swap_remove(0), other]
}

fn extremes(value: &Value) -> Vec<Value> {
    if value.is_number() {
        vec![
            json!(u64::MAX),
            json!(0),
            json!(u32::MAX),
            json!(u64::MAX >> 1),
            json!(-1),
            json!(i64::MIN),
            json!(1e308),
            json!(0.5),
        ]
    } else {
        ["a\u{1b}[31mb", "", "\0", "\u{85}", &"x".repeat(257), &"x".repeat(600), "Crash", "AtMostOnce"]
            .map(Value::from)
            .to_vec()
    }
}

/// The field in an error, as a path of JSON.
fn field_of(reason: &str) -> String {
    let field = reason.strip_prefix('`').and_then(|rest| rest.split_once('`')).map_or("", |(field, _)| field);
    format!("/{}", field.replace(['.', '['], "/").replace(']', ""))
}

#[tokio::test(start_paused = true)]
async fn each_number_and_text_of_a_line_is_refused_with_its_field_or_does_no_harm() {
    let lines = lines().await;
    let directory = Directory::new();
    let (mut refused, mut taken, mut harmless) = (0, 0, Vec::new());
    let mut random = fastrand::Rng::with_seed(17);
    for (number, line) in lines.iter().enumerate() {
        let mut paths = Vec::new();
        leaves(line, "", &mut paths);
        assert!(paths.len() > 15, "{paths:?}");
        for path in paths {
            // A payload may be any JSON; and what does not depend on the state is tried once.
            let once = ["/terms", "/digest", "/agent", "/key", "/id", "/recorded"];
            if path.starts_with("/input")
                || path.starts_with("/output")
                || number > 0 && once.iter().any(|field| path.starts_with(field))
            {
                continue;
            }
            for change in changes(line.pointer(&path).unwrap(), &mut random) {
                let mut changed = line.clone();
                *changed.pointer_mut(&path).unwrap() = change.clone();
                if changed == *line {
                    continue;
                }
                let there = directory.path().join("there");
                match SledJournal::import(&there, format!("{FIRST_LINE}\n{changed}").as_bytes()) {
                    Ok(launches) => {
                        assert_eq!(launches, 1);
                        taken += 1;
                        // The others are in one journal, to be tried together.
                        let mut changed = changed;
                        if path != "/key" {
                            changed["key"] = json!(format!("{number} {path} {taken}"));
                        }
                        if path != "/id" {
                            changed["id"] = json!(format!("018bcfe5-6800-7000-8000-{taken:012x}"));
                        }
                        harmless.push(changed);
                        std::fs::remove_dir_all(&there).unwrap();
                    }
                    Err(ImportError::BadLine { line: 2, reason }) => {
                        refused += 1;
                        assert!(!reason.contains(char::is_control), "{reason:?}");
                        assert!(reason.len() < 1000, "{reason}");
                        let field = field_of(&reason);
                        // Where one number bounds another, either of them may be named.
                        let bounds = path == "/attempt"
                            && (field.ends_with("attempt") || field == "/failures" || field == "/crashes");
                        assert!(
                            path.starts_with(&field) && field.len() > 1 || bounds,
                            "{path} {change}: {reason}"
                        );
                    }
                    Err(other) => panic!("{path} {change}: {other}"),
                }
                assert_eq!(names(directory.path()), [""; 0], "{path} {change}");
            }
        }
    }
    assert!(refused > 60 && taken > 10, "{refused} {taken}");

    let journal = directory.journal();
    let text = |lines: &[Value]| {
        let lines = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        format!("{FIRST_LINE}\n{lines}")
    };
    // Keys and ids that were changed to the same.
    harmless.sort_by_key(|line| line["id"].to_string());
    harmless.dedup_by_key(|line| line["id"].to_string());
    harmless.sort_by_key(|line| line["key"].to_string());
    harmless.dedup_by_key(|line| line["key"].to_string());
    let count = harmless.len() as u64;
    assert_eq!(SledJournal::import(&journal, text(&harmless).as_bytes()).unwrap(), count);
    let export = || {
        let mut lines = Vec::new();
        let exported = SledJournal::export(&journal, &mut lines).unwrap();
        assert_eq!((exported.damaged, exported.missing), (0, None));
        lines
    };
    let first = export();
    for life in 0..2 {
        let (system, agent) = start(&journal).await;
        let found = system.launches(LaunchFilter::all()).count().await.unwrap() as u64;
        // What is kept for no time is gone in the second life.
        assert!(found == count + life || life > 0 && found + 10 > count, "life {life}: {found} of {count}");
        let ticket = system.launch(&agent, 1.into()).await.unwrap();
        assert_eq!(ticket.result().await.unwrap().unwrap(), 1);
        sleep(600 * SECOND).await;
        assert_eq!(
            (system.status().phase, system.status().supervisors[0].deaths),
            (Phase::Running, 0),
            "life {life}"
        );
        for record in system.launches(LaunchFilter::all()).page(None, 10_000).await.unwrap() {
            assert!(!format!("{record:?}").is_empty());
        }
        system.shutdown(SECOND).await.unwrap();
    }
    let again = directory.path().join("again");
    for lines in [first, export()] {
        assert!(SledJournal::import(&again, &lines[..]).unwrap() + 10 > count);
        std::fs::remove_dir_all(&again).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_field_is_refused_wherever_it_stands() {
    let lines = lines().await;
    let directory = Directory::new();
    let refused = |line: &str, why: &str| match SledJournal::import(
        directory.journal(),
        format!("{FIRST_LINE}\n{line}").as_bytes(),
    ) {
        Err(ImportError::BadLine { line: 2, reason }) => assert!(reason.contains(why), "{reason}"),
        other => panic!("{why}: {other:?}"),
    };
    let again = lines.iter().find(|line| !line["history"].as_array().unwrap().is_empty()).unwrap();
    for path in ["", "/state", "/terms", "/terms/restart", "/terms/restart/base", "/history/0"] {
        let mut changed = again.clone();
        changed.pointer_mut(path).unwrap()["colour"] = json!("red");
        refused(&changed.to_string(), "colour");
    }
    for path in ["attempt", "history", "terms", "state", "id", "suspect"] {
        let mut changed = again.clone();
        changed.as_object_mut().unwrap().remove(path);
        refused(&changed.to_string(), path);
        let twice = again.to_string().replacen('{', &format!("{{\"{path}\":{},", again[path]), 1);
        refused(&twice, path);
    }
    // A restart policy without a cause, which ended the system at its first listing.
    let mut changed = again.clone();
    for cause in ["error", "panic", "timeout"] {
        changed["terms"]["restart"][cause] = json!(false);
    }
    refused(&changed.to_string(), "a restart policy has a cause");
    let mut many = again.clone();
    many["history"] = json!(vec![again["history"][0].clone(); 17]);
    refused(&many.to_string(), "`history`: ");
    let first = format!("{}\n", FIRST_LINE.replace('}', ",\"colour\":\"red\"}"));
    let Err(ImportError::BadLine { line: 1, reason }) =
        SledJournal::import(directory.journal(), first.as_bytes())
    else {
        panic!()
    };
    assert!(reason.contains("colour"), "{reason}");
    assert_eq!(names(directory.path()), [""; 0]);
}
