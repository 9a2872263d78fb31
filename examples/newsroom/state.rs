//! Where a run keeps what the next one must know.

use std::env;
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use sortie::SledJournal;
use sortie::journal::JournalErrorKind;

use crate::args::Args;
use crate::outbox::Outbox;

/// How long a run waits for another one with the same state, such as one that is just being stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it looks whether that one has ended.
const GLANCE: Duration = Duration::from_millis(20);

/// A journal that belongs to this process, and the outbox.
pub(crate) struct State {
    pub(crate) journal: SledJournal,
    pub(crate) outbox: Outbox,
}

impl State {
    /// Opens what the command line names. Blocks, also while another run has the journal.
    ///
    /// # Errors
    /// If a folder cannot be made, or the journal cannot be opened.
    pub(crate) fn open(args: &Args) -> Result<Self, Box<dyn Error>> {
        let folder = match &args.state {
            Some(folder) => folder.clone(),
            None => beside_the_program()?,
        };
        fs::create_dir_all(&folder).map_err(|error| named(&folder, error))?;
        let outbox = args.outbox.clone().unwrap_or_else(|| folder.join("outbox"));
        let outbox = Outbox::open(&outbox).map_err(|error| named(&outbox, error))?;
        Ok(Self { journal: journal(&folder.join("journal"))?, outbox })
    }
}

/// The folder of a run that is told none: with the build, so that every run of this program finds it again, whatever
/// directory it is started in, and `cargo clean` removes it.
fn beside_the_program() -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_extension("state"))
}

fn named(folder: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot make the folder `{}`: {error}", folder.display()))
}

/// Opens the journal as soon as nobody else has it.
fn journal(path: &Path) -> Result<SledJournal, Box<dyn Error>> {
    let start = Instant::now();
    let mut said = false;
    loop {
        match SledJournal::open(path) {
            Ok(journal) => return Ok(journal),
            Err(error) if error.kind() != JournalErrorKind::OwnedByAnotherProcess => {
                return Err(format!("{error:#}").into());
            }
            Err(error) if start.elapsed() > PATIENCE => {
                return Err(format!("{error}; give this one a state of its own, with `--state DIR`").into());
            }
            Err(_) if !said => {
                eprintln!("newsroom: waiting for another one, which has the journal in `{}`", path.display());
                said = true;
            }
            Err(_) => thread::sleep(GLANCE),
        }
    }
}
