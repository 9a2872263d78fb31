//! Kills a process with launches again and again, at random moments, and looks whether its journal keeps what was promised.
//!
//! ```sh
//! cargo run --release --example torture -- --cycles 300 --seed 1 --payload 200
//! ```
//!
//! In each cycle the program starts itself as a child on the same journal, and kills it with SIGKILL: while it launches,
//! runs or waits, in every fourth cycle within its first milliseconds, while the journal is being opened and recovered, and in
//! every sixteenth after a second, while launches are being removed. Three of four launches are not kept for longer than that.
//! Which moments these are follows from the seed; what the child was doing then does not, so no two runs are the same.
//! The child writes down, outside of the journal, what it was promised and what its agents began. After every restart some
//! of that is asked for again. At the end all of it is, by a child that is left alone:
//!
//! - `lost` are launches that were acknowledged and are missing though they are kept or not done, cannot be read, or are never
//!   done.
//! - `recorded_twice` are keys with two launches, attempts that began twice, and launches that were done and ran again, whose
//!   result has changed, or that were removed and came back. A key is free again once its launch was removed.
//! - `unopenable` is how often the journal did not open.
//!
//! A journal is taken out of service after some cycles, once all of it was asked for, and the next is begun: some results are
//! kept, so a journal that served all cycles would be opened more slowly each time.
//!
//! How many launches were found to be removed, and how many sweeps were killed in their midst, is told on standard error. A long
//! trial that has met no sweep has failed.
//!
//! Killing a process does not take away what it has told the kernel: what a power cut takes is shown by `power_cut`.
//!
//! The exit code is 0 if nothing was found. Otherwise it is 1, and the folder with the journals and the log stays.

mod trial;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use trial::{Arguments, Judge, Log, Moment, Process, Verdict, inquire};

/// How many cycles a journal serves.
const CYCLES_PER_JOURNAL: u64 = 200;
/// A trial of so many cycles has met a sweep.
const LONG: u64 = 100;
/// How many of the earlier launches are asked for again in each cycle.
const SAMPLE: usize = 20;

/// When a child is killed, in microseconds from its start or from when the journal is open; see [`Moment::draw`].
const MOMENTS: Range<u64> = 5_000..150_000;

struct Torture {
    folder: PathBuf,
    arguments: Arguments,
    random: fastrand::Rng,
}

impl Torture {
    /// All cycles, journal by journal.
    fn run(&mut self) -> Result<Verdict, Box<dyn Error>> {
        let mut verdict = Verdict::default();
        let mut left = self.arguments.times;
        for number in 0.. {
            let cycles = left.min(CYCLES_PER_JOURNAL);
            let folder = self.folder.join(format!("{number}"));
            fs::create_dir_all(&folder)?;
            let (one, used) = self.one_journal(&folder, cycles)?;
            if one.is_good() {
                fs::remove_dir_all(&folder)?;
            }
            verdict.add(one);
            left -= used;
            let done = self.arguments.times - left;
            println!("{done} cycles, of which {} came to open the journal: {verdict}", verdict.opened);
            if left == 0 {
                break;
            }
        }
        Ok(verdict)
    }

    /// Whether a trial was long, and has shown nothing of sweeps.
    fn has_met_no_sweep(&self, verdict: &Verdict) -> bool {
        self.arguments.times >= LONG && verdict.removed == 0
    }

    /// So many cycles on a journal of their own, fewer if it cannot be opened any more, and a run that is left alone.
    fn one_journal(&mut self, folder: &Path, cycles: u64) -> Result<(Verdict, u64), Box<dyn Error>> {
        let [journal, facts, file] = ["journal", "log", "order"].map(|name| folder.join(name));
        let mut log = Log::open(&facts)?;
        let mut judge = Judge::default();
        for cycle in 0..cycles {
            let moment = Moment::draw(&mut self.random, cycle, MOMENTS);
            let mut order = self.arguments.order(&journal, &facts, &judge);
            order.again = judge.sample(&mut self.random, SAMPLE);
            order.late = moment.late();
            let expired = judge.expired();
            let mut child = Process::start(&order, &file)?;
            let end = moment.wait(&mut child, &mut log, &mut judge)?;
            let id = child.id();
            drop(child);
            judge.hear(log.read()?);
            if moment.is_in_sweep() {
                judge.end_sweep(expired);
            }
            if judge.is_unopenable() {
                return Ok((judge.close(), cycle + 1));
            }
            if let Some(what) = judge.broken() {
                return Err(format!("cycle {cycle}: {what}").into());
            }
            if let Some(status) = end {
                return Err(format!("cycle {cycle}: child {id} has ended by itself, with {status}").into());
            }
        }
        judge.end_sweep(BTreeMap::new()); // who lives long sweeps, too
        let order = self.arguments.order(&journal, &facts, &judge);
        inquire(order, &file, &mut judge, &mut log)?;
        Ok((judge.close(), cycles))
    }
}

fn main() -> ExitCode {
    if let Some(code) = trial::run_if_ordered() {
        return code;
    }
    let arguments = match Arguments::parse(std::env::args().skip(1), "--cycles", 20) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("torture: {error}");
            return ExitCode::from(2);
        }
    };
    let folder = std::env::temp_dir().join(format!("sortie-torture-{}", std::process::id()));
    let random = fastrand::Rng::with_seed(arguments.seed);
    let mut torture = Torture { folder, arguments, random };
    let result = torture.run();
    let folder = &torture.folder;
    let good = match &result {
        Ok(verdict) => verdict.is_good() && !torture.has_met_no_sweep(verdict),
        Err(_) => false,
    };
    if good {
        // A folder that cannot be removed is no finding.
        let _ = fs::remove_dir_all(folder);
    } else {
        eprintln!("torture: what there is of it stays in `{}`", folder.display());
    }
    match result {
        Ok(verdict) => {
            verdict.print_findings();
            eprintln!("torture: swept={} sweeps_cut={}", verdict.removed, verdict.cut);
            if torture.has_met_no_sweep(&verdict) {
                eprintln!("torture: no sweep was met, so none was shown to survive");
            }
            println!("torture: cycles={} {verdict}", torture.arguments.times);
        }
        Err(error) => eprintln!("torture: {error}"),
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
