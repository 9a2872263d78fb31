//! The facts, one per line, in a file outside of the journal.
//!
//! All that happens stands in one file, promises and effects alike, so that its lines have one order: an effect behind a
//! promise that rules it out is visible without any clock. Each line is appended by one write. A kill may cut that write in
//! two, so every line is framed, and what is not whole is not a fact: then nobody was promised anything yet.

use std::error::Error;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

const BEGIN: &str = "[";
const END: &str = "]";

/// A fact. Launches are named by their keys and ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The journal is open, and recovery is done.
    Opened,
    /// The journal could not be opened.
    Unopenable(String),
    /// A launch is about to be called.
    Try { key: u64 },
    /// A launch has returned `Ok`, and says whether it was there before.
    Acknowledged { key: u64, id: String, known: bool },
    /// Another input under the same key was refused in favour of this launch.
    Conflict { key: u64, id: String },
    /// Another input under the same key was accepted.
    Forked { key: u64, id: String },
    /// A body has begun.
    Begun { key: u64, id: String, attempt: u32 },
    /// A body is about to give its value: no launch is done without it.
    Finished { key: u64, id: String, attempt: u32 },
    /// A result was read.
    Done { key: u64, id: String, output: u64 },
    /// A result was read that does not belong to the input.
    Wrong { key: u64, id: String },
    /// A launch has ended without a result.
    Failed { key: u64, id: String, why: String },
    /// A launch is recorded, or what it has given, and cannot be read.
    Unreadable { key: u64, id: String, why: String },
    /// A launch that was asked for by its id is recorded.
    There { key: u64, id: String },
    /// There is no launch with an id that was acknowledged.
    Gone { key: u64, id: String },
    /// Something that neither a kill nor a loss explains.
    Broken(String),
}

/// A file of facts.
#[derive(Debug)]
pub(crate) struct Log {
    file: File,
    /// What was read of a line that does not end yet.
    begun: Vec<u8>,
}

impl Log {
    /// Opens the log, to append to it, and ends what an earlier process may have left half written.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        file.write_all(b"\n")?;
        Ok(Self { file, begun: Vec::new() })
    }

    pub(crate) fn say(&self, fact: &Fact) -> io::Result<()> {
        (&self.file).write_all(format!("{BEGIN} {} {END}\n", words(fact)).as_bytes())
    }

    /// What has been appended since this was called last.
    pub(crate) fn read(&mut self) -> Result<Vec<Fact>, Box<dyn Error>> {
        self.file.read_to_end(&mut self.begun)?;
        let end = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let rest = self.begun.split_off(end);
        let lines = std::mem::replace(&mut self.begun, rest);
        String::from_utf8_lossy(&lines).lines().filter_map(whole).map(fact).collect()
    }
}

/// What stands in a line, if it is whole.
fn whole(line: &str) -> Option<&str> {
    let inner = line.strip_prefix(BEGIN)?.strip_prefix(' ')?.strip_suffix(END)?.strip_suffix(' ')?;
    Some(inner)
}

fn words(fact: &Fact) -> String {
    let one_line = |text: &str| text.replace('\n', " ");
    match fact {
        Fact::Opened => "opened".to_owned(),
        Fact::Unopenable(why) => format!("unopenable {}", one_line(why)),
        Fact::Try { key } => format!("try {key}"),
        Fact::Acknowledged { key, id, known } => format!("acknowledged {key} {id} {known}"),
        Fact::Conflict { key, id } => format!("conflict {key} {id}"),
        Fact::Forked { key, id } => format!("forked {key} {id}"),
        Fact::Begun { key, id, attempt } => format!("begun {key} {id} {attempt}"),
        Fact::Finished { key, id, attempt } => format!("finished {key} {id} {attempt}"),
        Fact::Done { key, id, output } => format!("done {key} {id} {output}"),
        Fact::Wrong { key, id } => format!("wrong {key} {id}"),
        Fact::Failed { key, id, why } => format!("failed {key} {id} {}", one_line(why)),
        Fact::Unreadable { key, id, why } => format!("unreadable {key} {id} {}", one_line(why)),
        Fact::There { key, id } => format!("there {key} {id}"),
        Fact::Gone { key, id } => format!("gone {key} {id}"),
        Fact::Broken(what) => format!("broken {}", one_line(what)),
    }
}

fn fact(line: &str) -> Result<Fact, Box<dyn Error>> {
    let bad = |what: &dyn Display| format!("`{line}` is no fact: {what}");
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    match name {
        "opened" => return Ok(Fact::Opened),
        "unopenable" => return Ok(Fact::Unopenable(rest.to_owned())),
        "broken" => return Ok(Fact::Broken(rest.to_owned())),
        _ => {}
    }
    let mut parts = rest.splitn(3, ' ');
    let key = number(parts.next()).map_err(|error| bad(&error))?;
    let id = parts.next().unwrap_or_default().to_owned();
    let last = parts.next();
    Ok(match name {
        "try" => Fact::Try { key },
        "acknowledged" => Fact::Acknowledged { key, id, known: number(last).map_err(|error| bad(&error))? },
        "conflict" => Fact::Conflict { key, id },
        "forked" => Fact::Forked { key, id },
        "begun" => Fact::Begun { key, id, attempt: number(last).map_err(|error| bad(&error))? },
        "finished" => Fact::Finished { key, id, attempt: number(last).map_err(|error| bad(&error))? },
        "done" => Fact::Done { key, id, output: number(last).map_err(|error| bad(&error))? },
        "wrong" => Fact::Wrong { key, id },
        "failed" => Fact::Failed { key, id, why: last.unwrap_or_default().to_owned() },
        "unreadable" => Fact::Unreadable { key, id, why: last.unwrap_or_default().to_owned() },
        "there" => Fact::There { key, id },
        "gone" => Fact::Gone { key, id },
        _ => return Err(bad(&"its first word is unknown").into()),
    })
}

fn number<T: FromStr<Err: Display>>(word: Option<&str>) -> Result<T, String> {
    word.unwrap_or_default().parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_written_and_halves_are_none() -> Result<(), Box<dyn Error>> {
        let (key, id) = (7, || String::from("a"));
        let facts = [
            Fact::Opened,
            Fact::Unopenable("it is damaged".into()),
            Fact::Try { key },
            Fact::Acknowledged { key, id: id(), known: true },
            Fact::Conflict { key, id: id() },
            Fact::Forked { key, id: id() },
            Fact::Begun { key, id: id(), attempt: 2 },
            Fact::Finished { key, id: id(), attempt: 2 },
            Fact::Done { key, id: id(), output: u64::MAX },
            Fact::Wrong { key, id: id() },
            Fact::Failed { key, id: id(), why: "the process died".into() },
            Fact::Unreadable { key, id: id(), why: "a piece is missing".into() },
            Fact::There { key, id: id() },
            Fact::Gone { key, id: id() },
            Fact::Broken("no memory".into()),
        ];
        let path = std::env::temp_dir().join(format!("sortie-torture-log-{}", std::process::id()));
        let mut log = Log::open(&path)?;
        let half = words(&facts[7]).split_off(3);
        (&log.file).write_all(format!("{BEGIN} {half}").as_bytes())?;
        let next = Log::open(&path)?; // as the next child opens it
        facts.iter().try_for_each(|fact| next.say(fact))?;
        (&log.file).write_all(format!("{BEGIN} done 7 a 1").as_bytes())?;
        let mut fresh = Log { file: File::open(&path)?, begun: Vec::new() };
        assert_eq!(fresh.read()?, facts);
        assert_eq!(log.read()?, []);
        std::fs::remove_file(&path)?;
        Ok(())
    }
}
