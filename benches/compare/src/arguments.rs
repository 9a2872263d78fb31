//! The command line.

use std::{ffi::OsString, fmt::Write};

use crate::json::JsonFile;
use crate::probe;
use crate::suites::{Effort, Probe, SUITES, Suite};

/// What the caller wants.
pub enum Request {
    Help,
    Run(Arguments),
    /// This process was started by another of the program, for a single measurement.
    Probe(Probe, Vec<String>),
}

/// A run as the caller described it; there is at least one suite.
pub struct Arguments {
    pub suites: Vec<&'static Suite>,
    pub effort: Effort,
    pub json: Option<JsonFile>,
}

/// Reads this process's arguments.
///
/// # Errors
/// A message for the caller: unknown option or suite, no suite, or a file that cannot be written. The file is
/// opened here, because nobody wants to learn about a mistyped path after minutes of measuring.
pub fn parse() -> Result<Request, String> {
    let mut given = pico_args::Arguments::from_env();
    if given.contains(["-h", "--help"]) {
        return Ok(Request::Help);
    }
    if let Some(suite) = given.opt_value_from_str::<_, String>(probe::OPTION).map_err(|e| e.to_string())? {
        let probe = SUITES.iter().find(|known| known.name == suite).and_then(|known| known.probe);
        let words = given.finish().into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
        return Ok(Request::Probe(probe.ok_or_else(|| format!("`{suite}` has no probe"))?, words));
    }
    let effort = if given.contains("--quick") { Effort::Quick } else { Effort::Full };
    let json: Option<OsString> = given
        .opt_value_from_os_str("--json", |path| Ok::<_, String>(path.into()))
        .map_err(|e| e.to_string())?;
    let suites = select(&given.finish())?;
    let json = json.map(|path| JsonFile::create(path.into())).transpose()?;
    Ok(Request::Run(Arguments { suites, effort, json }))
}

/// The suites of these names, each once, in the order of the list.
fn select(names: &[OsString]) -> Result<Vec<&'static Suite>, String> {
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    for name in &names {
        if name.starts_with('-') {
            return Err(format!("unknown option `{name}`"));
        }
        if name != "all" && SUITES.iter().all(|suite| suite.name != name) {
            return Err(format!("unknown suite `{name}`, there are {}", known()));
        }
    }
    if names.is_empty() {
        return Err(format!("no suite was named, there are {}", known()));
    }
    let wanted = |suite: &&Suite| names.iter().any(|name| name == "all" || name == suite.name);
    Ok(SUITES.iter().filter(wanted).collect())
}

/// What a caller can name.
fn known() -> String {
    SUITES.iter().map(|suite| suite.name).chain(["all"]).collect::<Vec<_>>().join(", ")
}

/// How to call this program.
pub fn help() -> String {
    let mut help = String::from(
        "usage: sortie-compare SUITE... [--json FILE] [--quick]\n\n\
         --json FILE  also write the figures, as an array of rows\n\
         --quick      small sizes and few rounds: shows that everything runs, not how fast\n\n\
         suites:\n",
    );
    for Suite { name, work, .. } in SUITES {
        writeln!(help, "  {name:<12} {work}").expect("a string takes all");
    }
    writeln!(help, "  {:<12} each of these", "all").expect("a string takes all");
    help
}
