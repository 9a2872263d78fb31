//! Measures sortie side by side with what one would use instead, prints tables and writes the figures.
//!
//! ```text
//! cargo run --release --manifest-path benches/compare/Cargo.toml -- SUITE... [--json FILE] [--quick]
//! ```
//!
//! With `--features sqlite`, the suites of durable work have peers on SQLite: apalis-sqlite, and effectum and duroxide,
//! whose programs in `benches/compare-effectum` and `benches/compare-duroxide` are built when they are first needed. To
//! build all takes minutes.
//!
//! A figure counts only beside its baseline: all subjects of a suite do equal work in one process, take
//! turns, and are compared round by round ([`rounds`]). Peers are written as their own users would write
//! them, at their best.
//!
//! A further suite is one more module in [`suites`] and one more line in its list. Criterion benches of
//! sortie's own paths do not belong here; they are in the crate.

mod arguments;
mod environment;
mod figures;
mod json;
mod probe;
mod rounds;
mod suites;
mod table;

use std::process::ExitCode;

use arguments::{Arguments, Request};

/// What shells and `make` take for "called wrongly".
const CALLED_WRONGLY: u8 = 2;

fn main() -> ExitCode {
    match arguments::parse() {
        Ok(Request::Help) => {
            print!("{}", arguments::help());
            ExitCode::SUCCESS
        }
        Ok(Request::Run(arguments)) => run(arguments),
        Ok(Request::Probe(probe, words)) => {
            let figures = probe(&words).iter().map(f64::to_string).collect::<Vec<_>>();
            println!("{}", figures.join(" "));
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}; `--help` tells more");
            ExitCode::from(CALLED_WRONGLY)
        }
    }
}

fn run(arguments: Arguments) -> ExitCode {
    let mut rows = Vec::new();
    for suite in arguments.suites {
        let findings = (suite.run)(arguments.effort);
        println!("{}", table::render(suite, arguments.effort, &findings));
        rows.extend(findings.rows);
    }
    let Some(json) = arguments.json else { return ExitCode::SUCCESS };
    match json.write(&rows) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: the figures were not written: {error}");
            ExitCode::FAILURE
        }
    }
}
