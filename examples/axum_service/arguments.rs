//! The command line.

use std::time::Duration;

use anyhow::{Context as _, bail};

pub struct Arguments {
    /// The port on the loopback interface; 0 for any that is free.
    pub port: u16,
    /// How long requests under way may go on after a signal.
    pub grace: Duration,
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = Self { port: 0, grace: Duration::from_secs(10) };
        while let Some(name) = words.next() {
            let value = words.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--port" => arguments.port = value.parse().context("--port")?,
                "--grace" => arguments.grace = humantime::parse_duration(&value).context("--grace")?,
                _ => bail!("{name} is unknown; there are --port and --grace"),
            }
        }
        Ok(arguments)
    }
}
