//! Stops a process so that it does nothing at all, and can be killed without having done anything more.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::disk::run;

const LOOK: Duration = Duration::from_millis(1);
/// A thread may be waiting for the disk when it is told to stop.
const LOOKS: u32 = 10_000;

/// Stops a process, with all its threads.
pub(crate) fn stop(process: u32) -> Result<(), Box<dyn Error>> {
    run(Command::new("sh").args(["-c", "kill -STOP \"$0\"", &process.to_string()]))?;
    for _ in 0..LOOKS {
        if is_stopped(process)? {
            return Ok(());
        }
        sleep(LOOK);
    }
    Err("a child does not stop".into())
}

fn is_stopped(process: u32) -> Result<bool, Box<dyn Error>> {
    for thread in fs::read_dir(Path::new("/proc").join(process.to_string()).join("task"))? {
        // One that ends meanwhile is not stopped either: then all are looked at again.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { return Ok(false) };
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        match state {
            Some('T') => {}
            Some('Z' | 'X') | None => return Err("a child has ended by itself".into()),
            Some(_) => return Ok(false),
        }
    }
    Ok(true)
}
