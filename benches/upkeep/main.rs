//! What keeping launches costs over time: that the disk and the memory of a service stay as they are however many launches
//! come and go, and that nobody notices when many of them are removed at once.
//!
//! ```sh
//! cargo bench --bench upkeep                    # both parts in full, less than three minutes
//! cargo bench --bench upkeep -- churn 5         # one part, for so many seconds
//! cargo bench --bench upkeep -- sweep 10000     # one part, with so many launches
//! ```
//!
//! `churn`: callers launch, wait for the result, and launch again, while 10,000 launches are live; once with those live that were
//! done last, and once with some that wait for their time. The size of the journal's directory and the resident memory in
//! the last quarter of the time are set beside those in the second.
//!
//! `sweep`: 100,000 launches are kept no longer, in ten parts. A caller launches at a steady rate all the time, and what that takes
//! while a part is removed is set beside what it takes between two parts.
//!
//! It stands here and not among the comparisons, because no peer takes part and because it judges: it prints its figures and
//! exits with 1 if one is not as it must be. The journal is beside the program, as memory is where temporary files often are.

mod churn;
mod clock;
mod measure;
mod sweep;

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Builder;

const SPAN: Duration = Duration::from_secs(60);
const EXPIRED: usize = 100_000;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    // Cargo gives a word of its own to benches.
    let words: Vec<_> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |default: u64| words.get(1).map_or(Ok(default), |word| word.parse::<u64>());
    let part = words.first().map(String::as_str);
    if !matches!(part, None | Some("churn" | "sweep")) {
        return Err("there are two parts: `churn [SECONDS]` and `sweep [LAUNCHES]`".into());
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut right = true;
    if part != Some("sweep") {
        let span = Duration::from_secs(number(SPAN.as_secs())?);
        for live in [churn::Live::Rolling, churn::Live::Waiting] {
            right &= runtime.block_on(churn::run(live, span))?;
        }
    }
    if part != Some("churn") {
        let expired = usize::try_from(number(EXPIRED as u64)?)?;
        right &= runtime.block_on(sweep::run(expired))?;
    }
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
