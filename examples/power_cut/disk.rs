//! A disk that can be cut off: a file system in an image file, mounted through a loop device.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// How much of an image is read at once, in bytes.
const BLOCK: usize = 64 << 10;
/// How often an image is copied until nothing was written to it meanwhile.
const COPIES: u32 = 50;
/// How often, and how far apart, an unmounting is tried.
const UNMOUNTINGS: u32 = 50;
const BETWEEN: Duration = Duration::from_millis(20);

/// An image file with a file system.
#[derive(Debug)]
pub(crate) struct Image(PathBuf);

/// An image that is mounted. Dropping it unmounts it.
#[derive(Debug)]
pub(crate) struct Mounted {
    at: PathBuf,
    is_mounted: bool,
}

impl Image {
    /// Makes a file of so many bytes, with an empty ext4 in it.
    pub(crate) fn make(path: PathBuf, size: u64) -> Result<Self, Box<dyn Error>> {
        File::create(&path)?.set_len(size)?;
        // What the kernel would otherwise write later, while the image is being copied.
        let at_once = "lazy_itable_init=0,lazy_journal_init=0";
        run(Command::new("mkfs.ext4").args(["-F", "-q", "-E", at_once]).arg(&path))?;
        Ok(Self(path))
    }

    pub(crate) fn mount(&self, at: &Path) -> Result<Mounted, Box<dyn Error>> {
        fs::create_dir_all(at)?;
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.0).arg(at))?;
        Ok(Mounted { at: at.to_owned(), is_mounted: true })
    }

    /// Copies the image as it is at one moment: what of the mounted file system is only in memory is not in it.
    ///
    /// The kernel may write to the image meanwhile, of its own accord. So the copy is compared with it afterwards: if they are
    /// equal, it is what the image was when the one was complete and the other had not begun. If not, it is made again.
    pub(crate) fn copy(&self, to: PathBuf) -> Result<Self, Box<dyn Error>> {
        for _ in 0..COPIES {
            copy_blocks(&self.0, &to)?;
            if is_equal(&self.0, &to)? {
                return Ok(Self(to));
            }
        }
        Err("the image does not come to rest".into())
    }

    /// Puts another image in the place of this one, which must not be mounted.
    pub(crate) fn replace(&mut self, by: Self) -> io::Result<()> {
        fs::rename(by.0, &self.0)
    }
}

impl Mounted {
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    pub(crate) fn unmount(mut self) -> Result<(), Box<dyn Error>> {
        self.try_to_unmount()
    }

    fn try_to_unmount(&mut self) -> Result<(), Box<dyn Error>> {
        let mut last = Ok(());
        for _ in 0..UNMOUNTINGS {
            last = run(Command::new("umount").arg(&self.at));
            if last.is_ok() {
                self.is_mounted = false;
                break;
            }
            sleep(BETWEEN);
        }
        last
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if !self.is_mounted {
            return;
        }
        if let Err(error) = self.try_to_unmount() {
            eprintln!("power_cut: {error}; it is unmounted as soon as nobody uses it");
            let _ = run(Command::new("umount").arg("--lazy").arg(&self.at));
        }
    }
}

/// Runs a tool to its end. The error is what it says.
pub(crate) fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{name}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{name}` failed: {}", said.trim()).into())
}

/// Copies a file, and leaves holes where there are only zeros.
fn copy_blocks(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, to) = (File::open(from)?, File::create(to)?);
    to.set_len(from.metadata()?.len())?;
    let (mut block, mut at) = (vec![0; BLOCK], 0);
    loop {
        let length = fill(&mut from, &mut block)?;
        if length == 0 {
            return Ok(());
        }
        if block[..length].iter().any(|byte| *byte != 0) {
            to.write_all_at(&block[..length], at)?;
        }
        at += length as u64;
    }
}

fn is_equal(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut these, mut those) = (vec![0; BLOCK], vec![0; BLOCK]);
    loop {
        let length = fill(&mut one, &mut these)?;
        if length != fill(&mut other, &mut those)? || these[..length] != those[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the block is full or the file ends, and says how much that is.
fn fill(file: &mut File, mut block: &mut [u8]) -> io::Result<usize> {
    io::copy(&mut file.take(block.len() as u64), &mut block.by_ref()).map(|length| length as usize)
}
