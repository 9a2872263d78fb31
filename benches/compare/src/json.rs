//! The figures as a file.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use crate::figures::Row;

/// A file that is open for the figures.
pub struct JsonFile(File);

impl JsonFile {
    /// Creates or empties the file.
    ///
    /// # Errors
    /// A message that names the path.
    pub fn create(path: PathBuf) -> Result<Self, String> {
        let file =
            File::create(&path).map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
        Ok(Self(file))
    }

    /// Writes an array with one row per line, so that two runs can be compared with `diff`.
    pub fn write(mut self, rows: &[Row]) -> io::Result<()> {
        let lines = rows.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        writeln!(self.0, "[\n{}\n]", lines.join(",\n"))
    }
}
