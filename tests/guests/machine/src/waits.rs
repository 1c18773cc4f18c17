//! Coroutines that wait for operations over many events.

use std::time::Duration;

use agent::{Error, Task};

const MAX_PENDING: usize = 64;
const MAX_SLEEP_MS: u32 = 60_000;
const MAX_STEPS: u32 = 16;

#[derive(Default)]
pub(crate) struct Waits {
    tasks: Vec<Task<()>>,
}

impl Waits {
    pub(crate) fn later(&mut self, ms: u32, word: &str) -> Option<String> {
        let duration = sleep(ms)?;
        if self.pending() == MAX_PENDING {
            return Some("full".to_owned());
        }
        // Submitted here, so that operations are in the order of their commands.
        let operation = agent::sleep(duration).submit();
        let answer = format!("sleeping {word}");
        let word = word.to_owned();
        self.tasks.push(agent::spawn(async move {
            match operation.await {
                Ok(()) => agent::println!("late {word}"),
                Err(error) => agent::println!("late {word}: {}", kind(&error)),
            }
        }));
        Some(answer)
    }

    pub(crate) fn steps(&mut self, count: u32, ms: u32, word: &str) -> Option<String> {
        let duration = sleep(ms)?;
        if !(1..=MAX_STEPS).contains(&count) {
            return None;
        }
        if self.pending() == MAX_PENDING {
            return Some("full".to_owned());
        }
        let mut operation = agent::sleep(duration).submit();
        let answer = format!("stepping {word}");
        let word = word.to_owned();
        self.tasks.push(agent::spawn(async move {
            for step in 1..=count {
                match operation.await {
                    Ok(()) => agent::println!("step {step} {word}"),
                    Err(error) => {
                        agent::println!("step {step} {word}: {}", kind(&error));
                        return;
                    }
                }
                if step == count {
                    return;
                }
                operation = agent::sleep(duration).submit();
            }
        }));
        Some(answer)
    }

    pub(crate) fn pending(&mut self) -> usize {
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.len()
    }

    /// Waits until none is pending.
    pub(crate) async fn all(&mut self) {
        for task in self.tasks.drain(..) {
            // Nobody aborts them.
            let _ = task.await;
        }
    }
}

fn sleep(ms: u32) -> Option<Duration> {
    (ms <= MAX_SLEEP_MS).then(|| Duration::from_millis(u64::from(ms)))
}

fn kind(error: &Error) -> &'static str {
    match error {
        Error::Refused(_) => "refused",
        Error::Failed(_) => "failed",
        Error::Cancelled(_) => "cancelled",
        Error::OutcomeUnknown(_) => "unknown",
    }
}
