//! File systems that are mounted for a test, where this process may do that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Directory;

/// A mounted file system in memory. Dropping it unmounts it.
pub struct Mount {
    pub path: PathBuf,
    // Removed after the unmounting.
    _directory: Directory,
}

impl Mount {
    /// A file system of this size, or nothing where that is not permitted.
    pub fn new(options: &str) -> Option<Self> {
        let directory = Directory::new();
        let path = directory.path().join("disk");
        fs::create_dir(&path).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", options, "tmpfs"], &path);
        if !mounted {
            println!("skipped: this process may not mount a file system");
        }
        mounted.then_some(Self { path, _directory: directory })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let done = |arguments: &[&str]| {
            Command::new("umount")
                .args(arguments)
                .arg(&self.path)
                .output()
                .is_ok_and(|out| out.status.success())
        };
        if !done(&[]) {
            done(&["-l"]);
        }
    }
}

pub fn mount(arguments: &[&str], path: &Path) -> bool {
    Command::new("mount").args(arguments).arg(path).output().is_ok_and(|output| output.status.success())
}
