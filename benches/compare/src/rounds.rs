//! Rounds: subjects take turns, so that a busy moment of the machine meets all of them.

/// A subject, and how to take one sample of it. It comes warmed up.
pub struct Contestant<'a> {
    pub name: &'static str,
    pub sample: Box<dyn FnMut() -> f64 + 'a>,
}

/// What one subject showed, round by round.
pub struct Samples {
    pub name: &'static str,
    pub values: Vec<f64>,
}

/// Takes one sample of each contestant per round.
///
/// Each round begins with another contestant: nobody always follows the same neighbour.
pub fn interleave(mut contestants: Vec<Contestant<'_>>, rounds: usize) -> Vec<Samples> {
    let mut samples: Vec<_> =
        contestants.iter().map(|c| Samples { name: c.name, values: Vec::with_capacity(rounds) }).collect();
    for round in 0..rounds {
        for turn in 0..contestants.len() {
            let at = (round + turn) % contestants.len();
            let value = (contestants[at].sample)();
            samples[at].values.push(value);
        }
    }
    samples
}

/// The samples of one subject, if it took part.
pub fn of<'a>(samples: &'a [Samples], name: &str) -> Option<&'a Samples> {
    samples.iter().find(|samples| samples.name == name)
}
