//! Documents: which ones there are, and how one is read from disk.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::markdown;
use crate::prose::Sentence;

/// What is read of a file; the rest is ignored, and the document is marked as truncated.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// A document to review: where it is, and what to call it. Its position keeps two with the same name apart.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) position: usize,
    pub(crate) path: PathBuf,
    pub(crate) name: String,
}

/// A document's prose. Markdown is stripped from any file, whatever its name: plain text has next to none.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) sentences: Vec<Sentence>,
    pub(crate) extent: Extent,
    /// That of what was read.
    pub(crate) fingerprint: u128,
}

/// What is worth knowing of a document when its text is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Extent {
    pub(crate) words: usize,
    /// The file is larger than [`MAX_BYTES`].
    pub(crate) truncated: bool,
    /// The file is not valid UTF-8; what could not be decoded was replaced.
    pub(crate) lossy: bool,
}

impl Source {
    /// The documents named on the command line.
    pub(crate) fn given(paths: Vec<PathBuf>) -> Vec<Self> {
        let named = |path: PathBuf| (path.to_string_lossy().into_owned(), path);
        Self::numbered(paths.into_iter().map(named).collect())
    }

    fn numbered(named: Vec<(String, PathBuf)>) -> Vec<Self> {
        named.into_iter().zip(1..).map(|((name, path), position)| Self { position, path, name }).collect()
    }

    /// Reads the document. Blocks: not for a thread that drives other agents.
    ///
    /// # Errors
    /// If there is no such file, if it is not a regular file, or if it cannot be read.
    pub(crate) fn read(&self) -> io::Result<Document> {
        // Asked before it is opened: opening a pipe would wait for a writer that may never come.
        let kind = fs::metadata(&self.path)?;
        if !kind.is_file() {
            let kind = if kind.is_dir() { "is a directory" } else { "is a device, pipe or socket" };
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{kind}, not a text file")));
        }
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(decode(self.name.clone(), bytes))
    }
}

/// Makes a document of a file's first bytes; `MAX_BYTES + 1` of them mean that there was more.
fn decode(name: String, mut bytes: Vec<u8>) -> Document {
    let truncated = bytes.len() > MAX_BYTES;
    bytes.truncate(MAX_BYTES);
    let fingerprint = fingerprint(&bytes);
    if truncated {
        // A character that the limit cut in two is not the file's fault.
        if let Err(error) = std::str::from_utf8(&bytes) {
            if error.error_len().is_none() {
                bytes.truncate(error.valid_up_to());
            }
        }
    }
    let (text, lossy) = match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), true),
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let sentences: Vec<_> = markdown::paragraphs(text).iter().flat_map(|p| Sentence::split(p)).collect();
    let words = sentences.iter().map(|sentence| sentence.words.len()).sum();
    Document { name, sentences, extent: Extent { words, truncated, lossy }, fingerprint }
}

/// 128 bits that tell texts apart, and stay the same in every process and with every toolchain, which the standard hasher
/// does not promise.
pub(crate) fn fingerprint(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// The Markdown files at `root` and below, sorted by name, without hidden directories and `target`.
///
/// Links to directories are not followed: one to a parent would lead in a circle.
///
/// # Errors
/// If a directory cannot be listed, as its documents would go without an outcome.
pub(crate) fn markdown_files(root: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        match list(&directory, &mut directories, &mut found) {
            // It went away after its parent was listed, and its documents with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && directory != root => {}
            Err(error) => {
                let name = relative(&directory, root);
                return Err(io::Error::new(
                    error.kind(),
                    format!("cannot list the directory `./{name}`: {error}"),
                ));
            }
            Ok(()) => {}
        }
    }
    let mut named: Vec<_> = found.into_iter().map(|path| (relative(&path, root), path)).collect();
    named.sort();
    Ok(Source::numbered(named))
}

fn list(directory: &Path, directories: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let skipped = name == "target" || name.as_encoded_bytes().starts_with(b".");
        if entry.file_type()?.is_dir() {
            if !skipped {
                directories.push(path);
            }
        } else if path.extension() == Some(OsStr::new("md")) {
            found.push(path);
        }
    }
    Ok(())
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_by_the_limit_is_truncation_not_loss() {
        let mut bytes = vec![b'a'; MAX_BYTES - 1];
        bytes.extend("é and more".as_bytes());
        bytes.truncate(MAX_BYTES + 1);
        let document = decode("long.txt".to_owned(), bytes);
        assert_eq!(document.extent, Extent { words: 1, truncated: true, lossy: false });
    }

    #[test]
    fn bytes_that_are_not_text_are_replaced_and_said_so() {
        let document = decode("latin.txt".to_owned(), b"A caf\xe9 on the corner.".to_vec());
        assert_eq!(document.extent, Extent { words: 5, truncated: false, lossy: true });
        assert_eq!(document.sentences[0].text, "A caf\u{fffd} on the corner.");
    }

    #[test]
    fn an_empty_file_is_a_document_without_words() {
        let document = decode("empty.txt".to_owned(), Vec::new());
        assert_eq!(document.extent, Extent::default());
    }
}
