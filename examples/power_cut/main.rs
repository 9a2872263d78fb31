//! Cuts the power of a disk while launches are being recorded, and looks whether what was acknowledged is on it.
//!
//! ```sh
//! cargo build --release --example power_cut && sudo target/release/examples/power_cut --cuts 10
//! ```
//!
//! The disk is an image file with an ext4 in it, mounted through a loop device. What is in the file has reached the disk; what
//! the file system keeps in memory has not. A child launches on it and writes down, on another file system, what it was
//! promised. At a random moment, of four the third while launches are being
//! removed, it is stopped, the file is copied, and the child is killed: the copy is the disk after a
//! power cut. It is mounted, which replays the journal of ext4; the journal of the launches is opened, and everything that
//! was acknowledged before the copy is asked for. The next cut follows on the same disk, four times; then the disk is new.
//!
//! With `--buffered 20ms` the journal acknowledges launches before they are synced, which they are within that interval. Then
//! everything that was acknowledged longer ago must be there, and what is lost of the rest must be the latest, in order.
//!
//! What this does not show is a disk that itself loses what it was told to keep, and one that keeps the latest writes in another
//! order: a loop device has no cache of its own.
//!
//! Needs root, Linux, `mkfs.ext4`, `mount` with loop devices, and `umount`. Without them it says so, with the exit code 3.
//! Otherwise the exit code is 0 if nothing was found, and 1 if something was. It unmounts and removes what it has made, unless it
//! is killed itself: then `sortie-power-cut-…` stays in the temporary folder, and is to be unmounted by hand.

#[cfg(unix)]
mod buffered;
#[cfg(unix)]
mod disk;
#[cfg(unix)]
mod stop;
#[cfg(unix)]
#[path = "../torture/trial/mod.rs"]
mod trial;

#[cfg(unix)]
mod cuts;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(unix)]
    return cuts::main();
    #[cfg(not(unix))]
    {
        eprintln!("power_cut: needs Linux");
        ExitCode::from(3)
    }
}
