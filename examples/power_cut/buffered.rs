//! Cuts of the power while a buffered journal acknowledges launches before they are synced.
//!
//! What is judged: everything that was acknowledged longer ago than the interval is there, after this cut and after every later
//! one; what is lost of the rest is the latest, in the order in which it was recorded; and nothing else is there.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sortie::{AgentContext, AgentRef, SledJournal, System, agent_fn};

use crate::disk::Image;
use crate::stop::stop;

/// The argument that makes a child of this program; the file with its order follows.
const ORDER: &str = "--buffered-order";
/// How much longer than the interval something may have been acknowledged and be lost: a sync takes a while itself.
const ALLOWANCE: Duration = Duration::from_millis(5);
/// How many cuts a disk goes through, and how large it is, in bytes.
const CUTS_PER_DISK: u64 = 5;
const DISK: u64 = 192 << 20;
/// How many callers launch at once.
const CALLERS: u64 = 16;
/// How long a child may take to open its journal, and how long it lives if its parent is gone.
const OPENING: Duration = Duration::from_secs(60);
const LIFETIME: Duration = Duration::from_secs(120);

/// What a child is told to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    journal: PathBuf,
    /// The acknowledgements go here, on another file system.
    notes: PathBuf,
    interval: Duration,
    cut: u64,
    /// The longest input, in bytes.
    payload: usize,
    /// How long a caller waits between two launches, at most, in microseconds.
    pause: u64,
}

/// What a child was told of one launch.
#[derive(Debug, Clone)]
struct Acknowledged {
    id: String,
    /// When, in microseconds of the machine's clock.
    at: u64,
}

/// A launch that is there after a cut, as an export writes it.
#[derive(Debug, Deserialize)]
struct Exported {
    id: String,
    key: String,
    input: Option<Payload>,
}

/// An input, as an export writes it.
#[derive(Debug, Deserialize)]
struct Payload {
    json: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    acknowledged: usize,
    /// How many of them were lost within the interval, and how long ago the oldest of these had been acknowledged.
    lost: usize,
    oldest: Duration,
    /// What must not be, in words.
    findings: Vec<String>,
}

/// Does what a child is told, if this process is one. Otherwise `None`.
pub(crate) fn run_if_ordered() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(ORDER)) {
        return None;
    }
    let file = PathBuf::from(arguments.next()?);
    Some(match launch_until_killed(&file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("a child has failed: {error:#}");
            ExitCode::FAILURE
        }
    })
}

fn launch_until_killed(file: &Path) -> Result<(), Box<dyn Error>> {
    let order: Order = serde_json::from_slice(&fs::read(file)?)?;
    let notes = OpenOptions::new().append(true).create(true).open(&order.notes)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let journal = SledJournal::open(&order.journal)?.buffered(order.interval);
        let mut builder = System::builder().journal(journal);
        // One attempt takes the only slot and does not end: nothing is synced but what was launched.
        builder.launch_concurrency(1);
        let agent = builder.register(AgentRef::new(agent_fn(hang).named("work")));
        let system = builder.start().await?;
        (&notes).write_all(b"opened\n")?;
        let shared = Arc::new((order, notes, AtomicU64::new(0)));
        let callers = (0..CALLERS).map(|caller| call(&system, &agent, &shared, caller));
        let called = tokio::time::timeout(LIFETIME, futures::future::try_join_all(callers)).await;
        called.map_err(|_| "it was not killed in time")?.map(drop)
    })
}

async fn hang(_: String, _: AgentContext) -> Result<(), sortie::AgentError> {
    std::future::pending().await
}

async fn call(
    system: &System,
    agent: &AgentRef<String, ()>,
    shared: &(Order, File, AtomicU64),
    caller: u64,
) -> Result<(), Box<dyn Error>> {
    let (order, notes, next) = shared;
    let mut random = fastrand::Rng::with_seed(order.cut << 8 | caller);
    loop {
        let key = format!("{}-{}", order.cut, next.fetch_add(1, Ordering::Relaxed));
        let launch = system.launch(agent, input(&key, order.payload)).key(&key).max_crashes(u32::MAX);
        let ticket = launch.await?;
        let note = format!("{key} {} {} end\n", ticket.id(), micros()?);
        { notes }.write_all(note.as_bytes())?;
        tokio::time::sleep(Duration::from_micros(random.u64(0..=order.pause))).await;
    }
}

/// The input under a key: its length follows from that, too.
fn input(key: &str, longest: usize) -> String {
    let mut random = fastrand::Rng::with_seed(key.bytes().fold(7, |sum, byte| sum * 31 + u64::from(byte)));
    let length = random.usize(0..=longest);
    let mut text = format!("{key} ");
    text.extend((0..length).map(|_| random.alphanumeric()));
    text
}

fn micros() -> Result<u64, Box<dyn Error>> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64)
}

/// A child process. Dropping it kills it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Cuts the power so many times.
pub(crate) fn run(
    folder: &Path,
    interval: Duration,
    cuts: u64,
    payload: usize,
    random: &mut fastrand::Rng,
) -> Result<Verdict, Box<dyn Error>> {
    let mut verdict = Verdict::default();
    let mut cut = 0;
    while cut < cuts {
        let disk = CUTS_PER_DISK.min(cuts - cut);
        one_disk(folder, interval, cut..cut + disk, payload, random, &mut verdict)?;
        cut += disk;
        println!("{cut} cuts: {}", verdict.words());
    }
    Ok(verdict)
}

fn one_disk(
    folder: &Path,
    interval: Duration,
    cuts: std::ops::Range<u64>,
    payload: usize,
    random: &mut fastrand::Rng,
    verdict: &mut Verdict,
) -> Result<(), Box<dyn Error>> {
    let [image, copy, mount, notes, file] =
        ["disk", "copy", "mount", "notes", "order"].map(|name| folder.join(name));
    let mut disk = Image::make(image, DISK)?;
    let mut mounted = disk.mount(&mount)?;
    let mut kept = BTreeMap::new();
    for cut in cuts {
        let journal = mounted.path().join("journal");
        fs::write(&notes, "")?;
        // Of some cuts the interval is the reason of most commits, and of others the number of changes.
        let pause = [200, 4_000, 20_000, 60_000][random.usize(..4)];
        let order = Order { journal: journal.clone(), notes: notes.clone(), interval, cut, payload, pause };
        fs::write(&file, serde_json::to_vec(&order)?)?;
        let child = Command::new(std::env::current_exe()?).arg(ORDER).arg(&file).spawn()?;
        let child = Killed(child);
        let start = Instant::now();
        while !fs::read_to_string(&notes)?.starts_with("opened\n") {
            if start.elapsed() > OPENING {
                return Err("a child does not open its journal".into());
            }
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_micros(random.u64(1_000..400_000)));
        // What was written down by now is promised by the disk as it is from now on.
        let end = micros()?;
        stop(child.0.id())?;
        let acknowledged = read_notes(&notes)?;
        let survivor = disk.copy(copy.clone())?;
        drop(child);
        mounted.unmount()?;
        disk.replace(survivor)?;
        mounted = disk.mount(&mount)?;
        let there = match read_journal(&journal) {
            Ok(there) => there,
            Err(error) => {
                verdict.findings.push(format!("cut {cut}: the journal cannot be read: {error:#}"));
                break;
            }
        };
        let late = interval + ALLOWANCE;
        verdict.judge(cut, end, late, payload, &acknowledged, &mut kept, there);
    }
    mounted.unmount()
}

/// What a child was told, by key. The last line may be cut in two.
fn read_notes(notes: &Path) -> Result<BTreeMap<String, Acknowledged>, Box<dyn Error>> {
    let mut acknowledged = BTreeMap::new();
    for line in fs::read_to_string(notes)?.lines() {
        if let [key, id, at, "end"] = line.split(' ').collect::<Vec<_>>()[..] {
            acknowledged.insert(key.to_owned(), Acknowledged { id: id.to_owned(), at: at.parse()? });
        }
    }
    Ok(acknowledged)
}

/// What is there after a cut, out of an export; and the journal opens.
fn read_journal(journal: &Path) -> Result<Vec<Exported>, Box<dyn Error>> {
    let mut lines = Vec::new();
    let exported = SledJournal::export(journal, &mut lines)?;
    if exported.damaged > 0 || exported.missing.is_some() {
        return Err(format!("{exported:?}").into());
    }
    drop(SledJournal::open(journal)?);
    let launches = lines.lines().skip(1).map(|line| Ok(serde_json::from_str(&line?)?));
    launches.collect()
}

impl Verdict {
    #[expect(
        clippy::too_many_arguments,
        reason = "all of it is known of one cut, and nothing of it afterwards"
    )]
    fn judge(
        &mut self,
        cut: u64,
        end: u64,
        late: Duration,
        payload: usize,
        acknowledged: &BTreeMap<String, Acknowledged>,
        kept: &mut BTreeMap<String, String>,
        there: Vec<Exported>,
    ) {
        self.acknowledged += acknowledged.len();
        let mut found = BTreeMap::new();
        for Exported { id, key, input: stored } in there {
            if stored.is_none_or(|stored| stored.json != input(&key, payload)) {
                self.find(cut, format!("{key} has another input"));
            }
            if kept.get(&key).is_none() && !key.starts_with(&format!("{cut}-")) {
                self.find(cut, format!("{key} was lost before, and is there again"));
            }
            if found.insert(key.clone(), id).is_some() {
                self.find(cut, format!("{key} is recorded twice"));
            }
        }
        for (key, id) in &*kept {
            if found.get(key) != Some(id) {
                self.find(cut, format!("{key} was there after an earlier cut, and is gone"));
            }
        }
        let last = found.values().max();
        let mut lost = BTreeSet::new();
        for (key, Acknowledged { id, at }) in acknowledged {
            match found.get(key) {
                Some(found) if found == id => {}
                Some(found) => self.find(cut, format!("{key} is {id}, and also {found}")),
                None => {
                    let age = Duration::from_micros(end.saturating_sub(*at));
                    (self.lost, self.oldest) = (self.lost + 1, self.oldest.max(age));
                    lost.insert(id);
                    if age > late {
                        self.find(cut, format!("{key} is lost, which was acknowledged {age:?} before"));
                    }
                }
            }
        }
        // Ids ascend in the order in which launches are recorded.
        if let (Some(first), Some(last)) = (lost.first(), last) {
            if *first < last {
                self.find(cut, format!("{first} is lost, and the later {last} is there"));
            }
        }
        *kept = found;
    }

    fn find(&mut self, cut: u64, what: String) {
        self.findings.push(format!("cut {cut}: {what}"));
    }

    fn words(&self) -> String {
        let Self { acknowledged, lost, oldest, findings } = self;
        format!(
            "acknowledged={acknowledged} lost_within_interval={lost} oldest_lost={}us findings={}",
            oldest.as_micros(),
            findings.len()
        )
    }

    /// Prints what was found, and says whether that is as it should be.
    pub(crate) fn print(&self, interval: Duration, cuts: u64) -> ExitCode {
        self.findings.iter().take(30).for_each(|finding| println!("{finding}"));
        let interval = humantime::format_duration(interval);
        println!("power_cut: cuts={cuts} buffered={interval} {}", self.words());
        if self.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
