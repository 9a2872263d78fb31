//! The command line, which is the same for all trials but for the name of what is repeated.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use super::judge::Judge;
use super::order::Order;

/// What is launched between two kills at most, in bytes.
const VOLUME: usize = 512 << 10;

/// What a trial is to be.
#[derive(Debug, Clone)]
pub(crate) struct Arguments {
    /// How often.
    pub(crate) times: u64,
    /// What the moments and the inputs follow from.
    pub(crate) seed: u64,
    /// The bytes of each input.
    pub(crate) payload: usize,
}

impl Arguments {
    /// Reads them: `--seed`, `--payload`, and how often under a name of its own. Every refusal names the argument.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = String>,
        times: &str,
        default: u64,
    ) -> Result<Self, String> {
        let mut rest = arguments.into_iter();
        let mut arguments = Self { times: default, seed: 1, payload: 200 };
        while let Some(name) = rest.next() {
            let value = rest.next();
            match name.as_str() {
                "--seed" => arguments.seed = number(&name, value)?,
                "--payload" => arguments.payload = number(&name, value)?,
                name if name == times => arguments.times = number(name, value)?,
                _ => return Err(format!("there is no `{name}`: {times} N, --seed S and --payload BYTES")),
            }
        }
        if arguments.times == 0 {
            return Err(format!("`{times} 0` tries nothing: write at least 1"));
        }
        if arguments.payload > 8 << 20 {
            return Err("`--payload` is more than 8 MiB, and some answers are as long".to_owned());
        }
        Ok(arguments)
    }

    /// The order of a child that launches until it is killed.
    pub(crate) fn order(&self, journal: &Path, log: &Path, judge: &Judge) -> Order {
        Order {
            journal: journal.to_owned(),
            log: log.to_owned(),
            seed: self.seed,
            payload: self.payload,
            first: judge.next(),
            launches: (VOLUME / self.payload.max(1)).clamp(4, 200) as u64,
            late: Duration::ZERO,
            again: Vec::new(),
            wait: false,
        }
    }
}

fn number<T: FromStr>(name: &str, value: Option<String>) -> Result<T, String> {
    let value = value.ok_or_else(|| format!("`{name}` needs a value"))?;
    value.parse().map_err(|_| format!("`{name} {value}`: that is not a whole number"))
}
