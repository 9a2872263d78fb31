//! The job that is recorded.

/// How long a job is as JSON, in bytes.
pub const BYTES: usize = 200;

/// A job: text that takes [`BYTES`] as JSON, quotes included. Each subject turns it into JSON itself.
pub fn job() -> String {
    "j".repeat(BYTES - 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_as_long_as_it_says() {
        assert_eq!(serde_json::to_vec(&job()).expect("text is JSON").len(), BYTES);
    }
}
