//! The keepers of the architecture: who may name whom.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first. A module imports only from those before it.
const LAYERS: [&str; 12] = [
    "sync",
    "user_code",
    "policy",
    "outcome",
    "agent",
    "payload",
    "journal",
    "supervisor",
    "fan_out",
    "launch",
    "system",
    "actor",
];

/// The sources of a layer: those in its folder, or its only file.
fn layer_sources(layer: &str) -> Vec<(PathBuf, String)> {
    let (folder, file) = (src().join(layer), src().join(layer).with_extension("rs"));
    if folder.is_dir() { sources(&folder) } else { vec![(file.clone(), fs::read_to_string(file).unwrap())] }
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.clone(), fs::read_to_string(path).unwrap()));
        }
    }
    found
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

#[test]
fn modules_import_from_lower_layers_only() {
    for (height, layer) in LAYERS.iter().enumerate() {
        for (path, text) in layer_sources(layer) {
            for line in code(&text) {
                for higher in &LAYERS[height + 1..] {
                    assert!(!line.contains(&format!("crate::{higher}")), "{}: {line}", path.display());
                }
            }
        }
    }
}

#[test]
fn every_folder_has_its_layer() {
    for entry in fs::read_dir(src()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "lib.rs" || LAYERS.contains(&name.trim_end_matches(".rs")),
            "{name} has no place in the list of layers"
        );
    }
}

#[test]
fn only_the_supervisor_and_the_actor_module_name_ractor() {
    for (path, text) in sources(&src()) {
        let may = ["supervisor", "actor"].iter().any(|folder| path.starts_with(src().join(folder)));
        if !may {
            assert!(!code(&text).any(|line| line.contains("ractor")), "{}", path.display());
        }
    }
}

#[test]
fn only_the_store_on_disk_names_sled() {
    for (path, text) in sources(&src()) {
        if !path.starts_with(src().join("journal").join("sled")) {
            // What is in that folder may be named by its path within the crate.
            let others = |line: &str| line.replace("crate::journal::sled::", "").replace("super::sled::", "");
            assert!(!code(&text).any(|line| others(line).contains("sled::")), "{}", path.display());
        }
    }
}

#[test]
fn only_the_records_name_bincode() {
    for (path, text) in sources(&src()) {
        if !path.ends_with("journal/record.rs") {
            assert!(!code(&text).any(|line| line.contains("bincode")), "{}", path.display());
        }
    }
}

#[test]
fn policies_and_the_state_machine_of_launches_are_pure() {
    let pure = [src().join("policy"), src().join("journal").join("intent")];
    for (path, text) in pure.iter().flat_map(|folder| sources(folder)) {
        for word in
            ["async ", "Instant", "SystemTime", "tokio", "fastrand::u", "fastrand::f", "Mutex", "Atomic"]
        {
            assert!(!code(&text).any(|line| line.contains(word)), "{}: {word}", path.display());
        }
    }
}

#[test]
fn files_stay_small_and_modules_explain_themselves() {
    for (path, text) in sources(&src()) {
        assert!(text.lines().count() <= 600, "{} is too long: split it by concept", path.display());
        assert!(
            text.starts_with("//!") || text.starts_with("#![doc"),
            "{} does not say what it is for",
            path.display()
        );
    }
}

#[test]
fn code_of_the_user_is_contained_and_logged_in_one_place() {
    for (path, text) in sources(&src()) {
        let may = path.starts_with(src().join("user_code"));
        // sled's own panics are caught where sled is called.
        let may_catch = may || path.ends_with("journal/sled/database.rs");
        for line in code(&text) {
            assert!(may || !line.contains("tracing::"), "{}: {line}", path.display());
            assert!(may_catch || !line.contains("catch_unwind"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn every_method_of_a_journal_is_passed_on_by_the_adapter_that_contains_others() {
    let read = |file: &str| fs::read_to_string(src().join("journal").join(file)).unwrap();
    let (contract, adapter) = (read("contract.rs"), read("foreign.rs"));
    let (_, contract) = contract.split_once("pub trait Journal").unwrap();
    let (contract, _) = contract.split_once("\n}\n").unwrap();
    let method = |line: &str| Some(line.strip_prefix("    fn ")?.split(['<', '(']).next()?.to_owned());
    let methods: Vec<_> = contract.lines().filter_map(method).collect();
    assert!(methods.len() > 25, "{methods:?}");
    for method in methods {
        assert!(
            adapter.lines().any(|line| {
                line.strip_prefix(&format!("    fn {method}"))
                    .is_some_and(|rest| rest.starts_with(['<', '(']))
            }),
            "`{method}` is not passed on"
        );
    }
}
