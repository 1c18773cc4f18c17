//! The editor on the agent's own terminal.

use super::{Action, Completer, Editor};
use crate::error::Error;
use crate::events::{self, Event};
use crate::terminal;

impl Editor {
    /// Reads one line from the agent's terminal.
    ///
    /// Handles input and resizes, and leaves every other event to who waits for
    /// it. Bytes after the line's end go back for the next reader. When the
    /// future is dropped, the bytes typed so far are gone.
    ///
    /// # Errors
    /// [`Error::Refused`] when the terminal cannot be written to.
    pub async fn read_line(&mut self, prompt: &str, completer: &dyn Completer) -> Result<Action, Error> {
        terminal::write(self.begin(prompt))?;
        loop {
            match events::next_terminal().await {
                Event::Input(bytes) => {
                    let step = self.feed(&bytes, completer);
                    terminal::write(step.output)?;
                    if let Some(action) = step.action {
                        events::unread(&bytes[step.consumed..]);
                        return Ok(action);
                    }
                }
                Event::Resize(size) => terminal::write(self.resize(size))?,
                _ => {}
            }
        }
    }
}
