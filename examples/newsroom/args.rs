//! The command line, parsed by hand: every refusal names the argument and the remedy.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::faults::Faults;

pub(crate) const HELP: &str = "\
newsroom: mood and one-sentence summary of text files, each document on its own supervised agents, and one
notification for each version of a document, whatever happens to the process

USAGE: newsroom [OPTIONS] [--] [FILE]...

Without files it reviews the Markdown files of the project that it was built from. Stop it with Ctrl-C, or kill it:
started again with the same state, it sends what has not been sent, and nothing twice.

OPTIONS
  --timeout DURATION  limit of one attempt of `sentiment` or `summary` [1s]
  --concurrency N     documents at work at once, 1 to 1024 [8]
  --fail-rate R       share of attempts that get an injected error, 0 to 1 [0]
  --panic-rate R      share that panic [0]
  --hang-rate R       share that hang until the timeout stops them [0]
  --seed S            which attempts are hit: the same seed hits the same ones [0]
  --state DIR         where it keeps what the next run must know [newsroom.state, beside the program]
  --outbox DIR        where notifications are sent to [outbox, in the state]
  --pace DURATION     how long a notification takes: to have time for Ctrl-C [0s]
  --requeue           new attempts for notifications that ran out of them
  --help              this text

Rates that add up to more than 1 are scaled down to a sum of 1.
Exit code: 0 if every document has its line and every notification its end, failed ones included; 130 if it was
stopped before; 2 for a bad argument; 1 for anything else.
";

/// Beyond this, a run would reach the usual limit of open files.
const MAX_CONCURRENCY: usize = 1024;

/// An attempt that may take longer is no longer limited in any useful sense.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Help,
    Review(Args),
}

/// The settings of one run. No paths means the project's own documents.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Args {
    pub(crate) paths: Vec<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: usize,
    pub(crate) faults: Faults,
    /// No folder means the one beside the program.
    pub(crate) state: Option<PathBuf>,
    /// No folder means the one in the state.
    pub(crate) outbox: Option<PathBuf>,
    pub(crate) pace: Duration,
    pub(crate) requeue: bool,
}

impl Default for Args {
    fn default() -> Self {
        let timeout = Duration::from_secs(1);
        let (paths, faults) = (Vec::new(), Faults::default());
        let (state, outbox, pace, requeue) = (None, None, Duration::ZERO, false);
        Self { paths, timeout, concurrency: 8, faults, state, outbox, pace, requeue }
    }
}

/// An argument that cannot be used, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArgError {
    argument: String,
    problem: String,
    remedy: String,
}

impl fmt::Display for ArgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad argument `{}`: {}; {}", self.argument, self.problem, self.remedy)
    }
}

/// Reads the arguments after the program's name.
///
/// # Errors
/// At the first argument that is unknown, lacks its value or has one out of range.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, ArgError> {
    let mut args = Args::default();
    let mut rest = arguments.into_iter();
    while let Some(argument) = rest.next() {
        // Paths stay as the system gave them; only options must be text.
        let text = argument.to_string_lossy().into_owned();
        if text == "--" {
            args.paths.extend(rest.by_ref().map(PathBuf::from));
        } else if !text.starts_with('-') || text == "-" {
            args.paths.push(argument.into());
        } else if matches!(text.as_str(), "--help" | "-h") {
            return Ok(Command::Help);
        } else {
            let (name, inline) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (text.as_str(), None),
            };
            set(&mut args, name, inline, &mut rest)?;
        }
    }
    Ok(Command::Review(args))
}

/// Sets one option, to the value written behind its `=`, or else to the next argument. An unknown option takes none.
fn set(
    args: &mut Args,
    name: &str,
    mut inline: Option<String>,
    rest: &mut impl Iterator<Item = OsString>,
) -> Result<(), ArgError> {
    let mut value = |example: &str| {
        let value = inline.take().or_else(|| Some(rest.next()?.to_string_lossy().into_owned()));
        value.ok_or_else(|| refuse(name, "its value is missing", format!("write `{name} {example}`")))
    };
    match name {
        "--fail-rate" => args.faults.fail = rate(name, &value("0.2")?)?,
        "--panic-rate" => args.faults.panic = rate(name, &value("0.2")?)?,
        "--hang-rate" => args.faults.hang = rate(name, &value("0.2")?)?,
        "--seed" => args.faults.seed = seed(name, &value("7")?)?,
        "--timeout" => args.timeout = timeout(name, &value("500ms")?)?,
        "--concurrency" => args.concurrency = concurrency(name, &value("8")?)?,
        "--state" => args.state = Some(value("DIR")?.into()),
        "--outbox" => args.outbox = Some(value("DIR")?.into()),
        "--pace" => args.pace = duration(name, &value("500ms")?)?,
        "--requeue" => args.requeue = flag(name, inline.take())?,
        _ => {
            let remedy = format!("see --help, or write `-- {name}` if it is a file");
            return Err(refuse(name, "there is no such option", remedy));
        }
    }
    Ok(())
}

fn rate(name: &str, value: &str) -> Result<f64, ArgError> {
    let rate = value.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| bad_value(name, value, "is not a share from 0 to 1", "0.2"))
}

fn seed(name: &str, value: &str) -> Result<u64, ArgError> {
    value.parse().map_err(|_| bad_value(name, value, "is not a whole number from 0 to 2^64 - 1", "7"))
}

fn timeout(name: &str, value: &str) -> Result<Duration, ArgError> {
    let limit = duration(name, value)?;
    if limit.is_zero() {
        return Err(bad_value(name, value, "would stop every attempt before it starts", "500ms"));
    }
    Ok(limit)
}

fn duration(name: &str, value: &str) -> Result<Duration, ArgError> {
    let duration = humantime::parse_duration(value)
        .map_err(|_| bad_value(name, value, "is not a duration with a unit", "500ms"))?;
    if duration > LONGEST {
        return Err(bad_value(name, value, "is more than an hour", "500ms"));
    }
    Ok(duration)
}

fn flag(name: &str, value: Option<String>) -> Result<bool, ArgError> {
    match value {
        None => Ok(true),
        Some(value) => {
            Err(refuse(name, format!("it takes no value, and got `{value}`"), format!("write `{name}`")))
        }
    }
}

fn concurrency(name: &str, value: &str) -> Result<usize, ArgError> {
    let limit = value.parse().ok().filter(|limit| (1..=MAX_CONCURRENCY).contains(limit));
    limit.ok_or_else(|| bad_value(name, value, "is not a whole number from 1 to 1024", "8"))
}

fn bad_value(name: &str, value: &str, problem: &str, example: &str) -> ArgError {
    refuse(name, format!("`{value}` {problem}"), format!("write for example `{name} {example}`"))
}

fn refuse(argument: &str, problem: impl Into<String>, remedy: String) -> ArgError {
    ArgError { argument: argument.to_owned(), problem: problem.into(), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, String> {
        match parse(line.split_whitespace().map(OsString::from)) {
            Ok(Command::Review(args)) => Ok(args),
            Ok(Command::Help) => Err("help".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn options_files_and_both_spellings_of_a_value() {
        let args = parsed(
            "a.md --seed 7 --hang-rate=0.25 --timeout 2s --concurrency 3 --state=s --outbox o --pace 0s --requeue a.md -- --seed",
        );
        let expected = Args {
            paths: ["a.md", "a.md", "--seed"].map(PathBuf::from).into(),
            timeout: Duration::from_secs(2),
            concurrency: 3,
            faults: Faults { seed: 7, hang: 0.25, ..Faults::default() },
            state: Some("s".into()),
            outbox: Some("o".into()),
            requeue: true,
            ..Args::default()
        };
        assert_eq!(args, Ok(expected));
    }

    #[test]
    fn refusals_name_the_argument_and_the_remedy() {
        for (line, parts) in [
            ("--fail-rate 1.5", ["`--fail-rate`", "`1.5` is not a share from 0 to 1", "`--fail-rate 0.2`"]),
            ("--panic-rate NaN", ["`--panic-rate`", "`NaN`", "`--panic-rate 0.2`"]),
            ("--hang-rate=-0.1", ["`--hang-rate`", "`-0.1`", "`--hang-rate 0.2`"]),
            ("--seed -5", ["`--seed`", "`-5` is not a whole number", "`--seed 7`"]),
            ("--timeout 5", ["`--timeout`", "`5` is not a duration with a unit", "`--timeout 500ms`"]),
            ("--timeout 0s", ["`--timeout`", "`0s` would stop every attempt", "500ms"]),
            ("--timeout 2h", ["`--timeout`", "more than an hour", "500ms"]),
            ("--concurrency 0", ["`--concurrency`", "`0` is not a whole number from 1", "`--concurrency 8`"]),
            ("--pace 2", ["`--pace`", "`2` is not a duration with a unit", "`--pace 500ms`"]),
            ("--state", ["`--state`", "its value is missing", "write `--state DIR`"]),
            ("--requeue=yes", ["`--requeue`", "it takes no value", "write `--requeue`"]),
            ("a.md --seed", ["`--seed`", "its value is missing", "write `--seed 7`"]),
            ("--sed 7", ["`--sed`", "no such option", "--help"]),
        ] {
            let error = parsed(line).err().unwrap_or_default();
            for part in parts {
                assert!(error.contains(part), "{line}: {error}");
            }
        }
    }

    #[test]
    fn help_wins_over_what_follows_it() {
        assert_eq!(parsed("--help --fail-rate 9"), Err("help".to_owned()));
    }
}
