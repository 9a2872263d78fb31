//! What comes from a file is checked before it is believed: lines of an import, and records with a right checksum.

mod lines;
mod records;
