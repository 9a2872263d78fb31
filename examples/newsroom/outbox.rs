//! The outside world: a folder with one file for each notification that was sent.
//!
//! A launch runs at least once. A process can die when a notification is out and that is not recorded yet; then the next
//! one runs the launch again. No journal can close this window, so it is closed here, as with any service that takes an
//! idempotency key: what is sent bears the id of its launch, which is the same in every attempt, and is put there only
//! if it is not there yet.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sortie::LaunchId;

use crate::notification::Notification;
use crate::terminal::visible;

/// A folder of sent notifications.
///
/// The file of one is called by its key and its launch. So a second attempt finds what the first one has sent; a second
/// *launch* under one key would be a second file beside it, for everybody to see.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    folder: PathBuf,
}

/// What became of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It is out.
    Now,
    /// An earlier attempt had sent it, and died before that was recorded.
    Before,
}

impl Outbox {
    /// The outbox in a folder, which is made if it is missing.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Sends a notification, unless an earlier attempt of its launch has. Blocks: it waits for the disk.
    ///
    /// A file is there as a whole or not at all, and never replaced: it is written under another name, and linked to its own
    /// only if that is free. When this returns, it is on disk: the record that it was sent will survive a power cut,
    /// so what was sent must, too.
    ///
    /// # Errors
    /// If the file cannot be written. It may be tried again.
    pub(crate) fn post(&self, notification: &Notification, launch: LaunchId) -> io::Result<Posted> {
        let Notification { key, document, text } = notification;
        let place = self.folder.join(format!("{key}.{launch}"));
        // Attempts of a launch are made one after the other, so nobody else writes to this one.
        let draft = self.folder.join(format!(".{launch}.draft"));
        let mut file = File::create(&draft)?;
        write!(file, "key: {key}\nlaunch: {launch}\ndocument: {}\n\n{text}\n", visible(document))?;
        file.sync_all()?;
        let posted = match fs::hard_link(&draft, &place) {
            Ok(()) => Posted::Now,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Posted::Before,
            Err(error) => return Err(error),
        };
        fs::remove_file(&draft)?;
        sync(&self.folder)?;
        Ok(posted)
    }
}

/// Makes the names in a folder durable.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Other systems do not open folders, and keep their names by themselves.
#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    fn names(folder: &Path) -> io::Result<Vec<String>> {
        let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    #[test]
    fn a_launch_sends_once_and_two_launches_are_seen() -> Result<(), Box<dyn Error>> {
        let folder = std::env::temp_dir().join(format!("sortie-outbox-{}", std::process::id()));
        let outbox = Outbox::open(&folder)?;
        let [one, two] = ["0197a0c0-0000-7000-8000-000000000001", "0197a0c0-0000-7000-8000-000000000002"];
        let note = |text: &str| Notification {
            key: "a.md-0".to_owned(),
            document: "a.md".to_owned(),
            text: text.to_owned(),
        };
        // An attempt that died before it sent anything has left its draft.
        fs::write(
            folder.join(format!(".{one}.draft")),
            "half of a longer text than that of the next attempt".repeat(9),
        )?;

        assert_eq!(outbox.post(&note("first"), one.parse()?)?, Posted::Now);
        assert_eq!(outbox.post(&note("again"), one.parse()?)?, Posted::Before);
        assert_eq!(names(&folder)?, [format!("a.md-0.{one}")]);
        let sent = fs::read_to_string(folder.join(format!("a.md-0.{one}")))?;
        assert_eq!(sent, format!("key: a.md-0\nlaunch: {one}\ndocument: a.md\n\nfirst\n"));

        assert_eq!(outbox.post(&note("second"), two.parse()?)?, Posted::Now);
        assert_eq!(names(&folder)?, [one, two].map(|launch| format!("a.md-0.{launch}")));
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}
