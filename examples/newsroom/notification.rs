//! What is sent of a document, and the key under which that happens once.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};
use sortie::Outcome;

use crate::desk::Review;
use crate::document::{Source, fingerprint};
use crate::line::Line;

/// How many characters of a file's name stand in a key.
const NAME_WIDTH: usize = 40;

/// One notification. It is recorded with its launch, so a later process may send what this one has written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Notification {
    pub(crate) key: String,
    pub(crate) document: String,
    pub(crate) text: String,
}

impl Notification {
    /// The notification of a document, whatever became of it: that it cannot be read is worth knowing, too.
    pub(crate) fn of(source: &Source, outcome: &Outcome<Review>) -> Self {
        let read = outcome.as_ref().ok().map(|review| review.fingerprint);
        let document = source.name.clone();
        let text = Line { name: &document, outcome }.to_string();
        Self { key: key(source, read), document, text }
    }
}

/// Names one version of one document: the same whenever the same text is found under the same path, by whichever process
/// and in whichever working directory. A document that was edited is news again.
///
/// It is short and plain whatever the path is, so that it may be the name of a file as well.
fn key(source: &Source, read: Option<u128>) -> String {
    // Without a look at the disk, which may be a network mount that is dead.
    let path = std::path::absolute(&source.path);
    let path = path.as_deref().unwrap_or(&source.path);
    let mut identity = path.as_os_str().as_encoded_bytes().to_vec();
    // The separator can be in no path, and one that could not be read is another version than an empty one.
    identity.push(0);
    identity.extend(read.map(u128::to_le_bytes).into_iter().flatten());

    let name = path.file_name().unwrap_or(OsStr::new("document")).to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '_' };
    let name: String = name.trim_start_matches('.').chars().take(NAME_WIDTH).map(plain).collect();
    format!("{name}-{:032x}", fingerprint(&identity))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str) -> Source {
        Source { position: 1, path: path.into(), name: path.to_owned() }
    }

    #[test]
    fn a_key_names_a_version_of_a_document() {
        let readme = key(&source("README.md"), Some(1));
        assert_eq!(readme, key(&source("./README.md"), Some(1)));
        assert_eq!(readme, key(&source(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")), Some(1)));
        assert_ne!(readme, key(&source("README.md"), Some(2)));
        assert_ne!(readme, key(&source("README.md"), None));
        assert_ne!(readme, key(&source("CHANGELOG.md"), Some(1)));
    }

    #[test]
    fn a_key_never_changes() {
        // It stands in journals: another hash would notify everybody again.
        assert_eq!(
            key(&source("/no such folder/.a b/ä?.txt"), Some(7)),
            "__.txt-ede2909fbea37fc08d51059fa7f8978d"
        );
    }

    #[test]
    fn a_key_is_short_and_the_plain_name_of_a_file() {
        for path in ["/x/..", "/", "", "/x/../..hidden", "/x/new\nline", "/x/very-long".repeat(300).as_str()]
        {
            let key = key(&source(path), None);
            assert!(key.len() <= NAME_WIDTH + 33, "{key}");
            assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c)), "{key}");
            assert!(!key.starts_with('.'), "{key}");
        }
    }
}
