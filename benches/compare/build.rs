//! Tells the program which compiler and which versions of the peers it was built with.

use std::{env, fs, process::Command};

/// The packages whose versions stand above every table.
const NAMED: [&str; 6] = ["sortie", "tokio", "futures", "ractor", "kameo", "sled"];

/// The peers whose programs are apart.
const APART: [&str; 2] = ["effectum", "duroxide"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.lock");
    println!("cargo::rustc-env=COMPARE_RUSTC={}", compiler());
    for peer in APART {
        println!("cargo::rerun-if-changed={}", lock_of(peer));
    }
    println!("cargo::rustc-env=COMPARE_VERSIONS={}", versions());
}

fn compiler() -> String {
    let rustc = env::var("RUSTC").expect("cargo names the compiler");
    let version = Command::new(rustc).arg("--version").output().expect("the compiler runs");
    String::from_utf8(version.stdout).expect("a version is text").trim().to_owned()
}

fn versions() -> String {
    let mut versions = locked("Cargo.lock", &NAMED);
    if env::var_os("CARGO_FEATURE_SQLITE").is_some() {
        versions.extend(locked("Cargo.lock", &["apalis-sqlite"]));
        versions.extend(APART.iter().flat_map(|peer| locked(&lock_of(peer), &[peer])));
    }
    versions.join(", ")
}

fn lock_of(peer: &str) -> String {
    format!("../compare-{peer}/Cargo.lock")
}

/// Versions as locked. A lock file is regular enough that two lines per package tell all.
fn locked(file: &str, names: &[&str]) -> Vec<String> {
    let lock = fs::read_to_string(file).expect("cargo wrote a lock file before this build");
    let locked = |name: &&str| {
        let package = format!("name = \"{name}\"\nversion = \"");
        let (_, rest) = lock.split_once(&package).unwrap_or_else(|| panic!("`{name}` is not locked"));
        let (version, _) = rest.split_once('"').expect("a version ends with a quote");
        format!("{name} {version}")
    };
    names.iter().map(locked).collect()
}
