//! One cut after the other.

use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::buffered;
use crate::disk::{Image, Mounted};
use crate::stop::stop;
use crate::trial::{self, Arguments, Judge, Log, Moment, Process, Verdict, inquire};

/// How many cuts a disk goes through.
const CUTS_PER_DISK: u64 = 4;
/// When the power is cut, in microseconds from the start of the child or from when its journal is open, and when where
/// payloads are long.
const MOMENTS: Range<u64> = 5_000..200_000;
const LATER_MOMENTS: Range<u64> = 5_000..1_000_000;

/// How large a disk is, in bytes, and how large where payloads are long.
const SMALL: u64 = 64 << 20;
const LARGE: u64 = 384 << 20;
/// What a long payload is, in bytes.
const LONG: usize = 64 << 10;

/// There is no root, no loop device or no tool here.
const UNAVAILABLE: u8 = 3;

/// A temporary folder. Dropping it removes it, with the images.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is still mounted in it is not removed with it: that is another file system, and busy.
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Cuts {
    folder: Folder,
    arguments: Arguments,
    random: fastrand::Rng,
}

impl Cuts {
    fn run(&mut self) -> Result<Verdict, Box<dyn Error>> {
        let mut verdict = Verdict::default();
        let mut left = self.arguments.times;
        while left > 0 {
            let (one, used) = self.one_disk(left.min(CUTS_PER_DISK))?;
            verdict.add(one);
            left -= used;
            println!("{} cuts: {verdict}", self.arguments.times - left);
        }
        Ok(verdict)
    }

    /// So many cuts on one disk, fewer if its journal cannot be opened any more.
    fn one_disk(&mut self, cuts: u64) -> Result<(Verdict, u64), Box<dyn Error>> {
        let [image, copy, mount, facts, file] =
            ["disk", "copy", "mount", "log", "order"].map(|name| self.folder.0.join(name));
        fs::write(&facts, "")?;
        let mut log = Log::open(&facts)?;
        let mut judge = Judge::default();
        let (size, moments) =
            if self.arguments.payload < LONG { (SMALL, MOMENTS) } else { (LARGE, LATER_MOMENTS) };
        let mut disk = Image::make(image, size)?;
        let mut mounted = disk.mount(&mount)?;
        for cut in 0..cuts {
            let journal = mounted.path().join("journal");
            let moment = Moment::draw(&mut self.random, cut, moments.clone());
            let mut order = self.arguments.order(&journal, &facts, &judge);
            order.again = judge.sample(&mut self.random, 20);
            order.late = moment.late();
            let expired = judge.expired();
            let mut child = Process::start(&order, &file)?;
            let end = moment.wait(&mut child, &mut log, &mut judge)?;
            // What was written down by now is promised by the disk as it is from now on.
            let stopped =
                if end.is_none() { stop(child.id()) } else { Err("a child has ended by itself".into()) };
            judge.hear(log.read()?);
            if moment.is_in_sweep() {
                judge.end_sweep(expired);
            }
            if let Some(what) = judge.broken() {
                return Err(what.into());
            }
            if !judge.is_unopenable() {
                stopped?;
                let survivor = disk.copy(copy.clone())?;
                drop(child);
                mounted.unmount()?;
                disk.replace(survivor)?;
                mounted = disk.mount(&mount)?;
                inquire(self.arguments.order(&journal, &facts, &judge), &file, &mut judge, &mut log)?;
            }
            if judge.is_unopenable() || cut + 1 == cuts {
                mounted.unmount()?;
                return Ok((judge.close(), cut + 1));
            }
        }
        Err("no cut was asked for".into())
    }

    /// Whether there is all that is needed: everything is done once, except for the cut.
    fn rehearse(&self) -> Result<(), Box<dyn Error>> {
        if !cfg!(target_os = "linux") {
            return Err("needs Linux".into());
        }
        if !is_root()? {
            return Err("needs root, to mount file systems".into());
        }
        let disk = Image::make(self.folder.0.join("disk"), SMALL)?;
        let mounted: Mounted = disk.mount(&self.folder.0.join("mount"))?;
        mounted.unmount()
    }
}

fn is_root() -> Result<bool, Box<dyn Error>> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).ok_or("nobody knows who this is")?;
    Ok(ids.split_whitespace().nth(1) == Some("0"))
}

/// The command line: what every trial has, and the interval of a buffered journal.
fn arguments() -> Result<(Arguments, Option<Duration>), String> {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let mut interval = None;
    if let Some(at) = arguments.iter().position(|argument| argument == "--buffered") {
        let value = arguments.drain(at..(at + 2).min(arguments.len())).nth(1);
        let value = value.ok_or("`--buffered` needs a value, as in `--buffered 20ms`")?;
        let span =
            humantime::parse_duration(&value).map_err(|error| format!("`--buffered {value}`: {error}"))?;
        if span.is_zero() {
            return Err(
                "`--buffered 0` is no interval: leave it out for a journal that syncs at once".to_owned()
            );
        }
        interval = Some(span);
    }
    Ok((Arguments::parse(arguments, "--cuts", 10)?, interval))
}

pub(crate) fn main() -> ExitCode {
    if let Some(code) = trial::run_if_ordered() {
        return code;
    }
    if let Some(code) = buffered::run_if_ordered() {
        return code;
    }
    let (arguments, interval) = match arguments() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("power_cut: {error}");
            return ExitCode::from(2);
        }
    };
    let folder = std::env::temp_dir().join(format!("sortie-power-cut-{}", std::process::id()));
    let random = fastrand::Rng::with_seed(arguments.seed);
    if let Err(error) = fs::create_dir_all(&folder) {
        eprintln!("power_cut: `{}`: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    let mut cuts = Cuts { folder: Folder(folder), arguments, random };
    if let Err(error) = cuts.rehearse() {
        eprintln!("power_cut: cannot be shown here: {error}");
        return ExitCode::from(UNAVAILABLE);
    }
    if let Some(interval) = interval {
        let Cuts { folder, arguments: Arguments { times, payload, .. }, random } = &mut cuts;
        return match buffered::run(&folder.0, interval, *times, *payload, random) {
            Ok(verdict) => verdict.print(interval, *times),
            Err(error) => {
                eprintln!("power_cut: {error}");
                ExitCode::FAILURE
            }
        };
    }
    match cuts.run() {
        Ok(verdict) => {
            verdict.print_findings();
            eprintln!("power_cut: swept={} sweeps_cut={}", verdict.removed, verdict.cut);
            let Verdict { acknowledged, lost, twice, unopenable, .. } = verdict;
            println!("acknowledged={acknowledged} recorded_twice={twice}");
            println!("power_cut: cuts={} lost={lost} unopenable={unopenable}", cuts.arguments.times);
            if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("power_cut: {error}");
            ExitCode::FAILURE
        }
    }
}
