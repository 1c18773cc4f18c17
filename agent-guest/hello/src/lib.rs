//! An agent in 20 lines: it greets, and answers each line a moment later.

use std::time::Duration;

use agent::editor::{Action, Editor};

agent::main!(hello);

async fn hello(start: agent::Start) -> Result<(), agent::Error> {
    agent::println!("Hello! I am {}. Say something; Ctrl-D says goodbye.", start.name);
    let mut editor = Editor::new(start.size);
    loop {
        match editor.read_line("> ", &()).await? {
            Action::Line(line) if line.is_empty() => {}
            Action::Line(line) => {
                editor.history_mut().push(&line);
                agent::sleep(Duration::from_millis(500)).await?;
                agent::println!("You said: {line}");
            }
            Action::Interrupt => agent::println!("Nothing to interrupt."),
            Action::Eof => break,
        }
    }
    agent::println!("Goodbye.");
    Ok(())
}

#[cfg(test)]
mod tests;
