//! Launches that survive the death of their process: this program starts itself as a child, which launches 20 jobs and is
//! killed with SIGKILL while they run, and starts itself again to finish them.
//!
//! ```sh
//! cargo run --release --example crash_resume
//! ```
//!
//! A job that ran when the process was killed runs again: at least once, and with the same launch id. Those are the
//! `rerun`. None is lost, and no job has two records.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use sortie::{AgentContext, AgentRef, Builder, SledJournal, System, agent_fn};

const LAUNCHES: usize = 20;

/// A job takes 50 ms, and leaves a line in a file when it begins: that is its effect on the world.
fn job(effects: PathBuf) -> AgentRef<usize, usize> {
    let agent = agent_fn(move |number: usize, cx: AgentContext| {
        let effects = effects.clone();
        async move {
            let mut effects = OpenOptions::new().create(true).append(true).open(effects)?;
            effects.write_all(format!("{number}\n").as_bytes())?;
            println!("job {number}, attempt {}", cx.attempt());
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(number)
        }
    });
    AgentRef::new(agent.named("job"))
}

fn system(folder: &Path) -> Result<(Builder, AgentRef<usize, usize>), Box<dyn Error>> {
    let mut builder = System::builder().journal(SledJournal::open(folder.join("journal"))?);
    builder.launch_concurrency(4);
    let job = builder.register(job(folder.join("effects")));
    Ok((builder, job))
}

/// Launches every job under a key of its own, and waits for all. Where a job was launched before, that is the launch.
async fn work(folder: &Path) -> Result<(), Box<dyn Error>> {
    let (builder, job) = system(folder)?;
    let system = builder.start().await?;
    let mut tickets = Vec::new();
    for number in 0..LAUNCHES {
        let ticket = system.launch(&job, number).key(number).await?;
        println!("launched {} {}", ticket.id(), if ticket.is_known() { "before" } else { "now" });
        tickets.push(ticket);
    }
    for ticket in tickets {
        println!("done {}", ticket.result().await??);
    }
    system.shutdown(Duration::from_secs(1)).await?;
    Ok(())
}

/// A child, and what it says. Who stops listening before it ends makes its `println!` panic, which is another story.
fn child(folder: &Path) -> Result<(Child, BufReader<ChildStdout>), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?).arg(folder).stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().ok_or("no output")?;
    Ok((child, BufReader::new(out)))
}

/// What a child said: which launches, and which jobs are done.
#[derive(Default)]
struct Heard {
    launches: BTreeSet<String>,
    done: BTreeSet<usize>,
}

impl Heard {
    /// Listens to a child until it ends, or until so many jobs are done.
    fn listen(&mut self, out: &mut impl BufRead, jobs: usize) -> Result<(), Box<dyn Error>> {
        for line in out.lines() {
            let line = line?;
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["launched", id, _] => drop(self.launches.insert(id.to_owned())),
                ["done", number] => drop(self.done.insert(number.parse()?)),
                _ => {}
            }
            if self.done.len() == jobs {
                break;
            }
        }
        Ok(())
    }
}

/// How often each job has had its effect.
fn effects(folder: &Path) -> Result<BTreeMap<usize, usize>, Box<dyn Error>> {
    let mut effects = BTreeMap::new();
    for line in fs::read_to_string(folder.join("effects"))?.lines() {
        *effects.entry(line.parse()?).or_default() += 1;
    }
    Ok(effects)
}

/// Starts the child, kills it while it works, starts it again, and counts.
fn crash_and_resume(folder: &Path) -> Result<bool, Box<dyn Error>> {
    let (mut first, mut second) = (Heard::default(), Heard::default());
    let (mut process, mut out) = child(folder)?;
    first.listen(&mut out, 5)?;
    // By now others are in the middle.
    std::thread::sleep(Duration::from_millis(25));
    process.kill()?;
    process.wait()?;
    println!("killed: launched={} done={}", first.launches.len(), first.done.len());

    let (mut process, mut out) = child(folder)?;
    second.listen(&mut out, usize::MAX)?;
    let finished = process.wait()?.success();

    let effects = effects(folder)?;
    let launched = first.launches.len();
    let lost = (0..LAUNCHES).filter(|number| !second.done.contains(number)).count();
    let recorded_twice = second.launches.difference(&first.launches).count();
    let rerun = effects.values().filter(|times| **times > 1).count();
    let done = second.done.len();
    println!(
        "crash_resume: launched={launched} done={done} lost={lost} recorded_twice={recorded_twice} rerun={rerun}"
    );
    Ok(finished && launched == LAUNCHES && done == LAUNCHES && lost == 0 && recorded_twice == 0)
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(folder) = std::env::args_os().nth(1) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(work(Path::new(&folder)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = std::env::temp_dir().join(format!("sortie-crash-resume-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let good = crash_and_resume(&folder);
    fs::remove_dir_all(&folder)?;
    Ok(if good? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
