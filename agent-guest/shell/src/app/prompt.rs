//! The prompt: `PS1`, or one with colours.

use crate::shell::Shell;

/// What begins a line.
pub(super) fn render(shell: &Shell) -> String {
    match shell.vars.borrow().get("PS1") {
        Some(ps1) => expand(shell, &ps1),
        None => {
            let status = match shell.status.get() {
                0 => String::new(),
                status => format!("\x1b[31m{status}\x1b[0m "),
            };
            format!("\x1b[1;34m{}\x1b[0m {status}$ ", directory(shell))
        }
    }
}

/// The directory, with `~` for the home.
fn directory(shell: &Shell) -> String {
    let cwd = shell.cwd();
    let shown = match cwd.strip_prefix(&shell.common.home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => cwd.display().to_string(),
    };
    // A directory's name is a guest's to choose, and must not write on the terminal by itself.
    shown.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `\w \W \u \h \s \$ \n \e \a \\`, and `\[ \]`, which the editor needs not to be told.
fn expand(shell: &Shell, ps1: &str) -> String {
    let mut prompt = String::with_capacity(ps1.len());
    let mut chars = ps1.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            prompt.push(c);
            continue;
        }
        match chars.next() {
            Some('w') => prompt.push_str(&directory(shell)),
            Some('W') => {
                let directory = directory(shell);
                prompt.push_str(
                    directory.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or(&directory),
                );
            }
            Some('u') => prompt.push_str(&shell.variable("USER").unwrap_or_default()),
            Some('h' | 'H') => {
                prompt.push_str(&shell.variable("HOSTNAME").unwrap_or_else(|| "agent".to_owned()))
            }
            Some('s') => prompt.push_str("sh"),
            Some('$') => prompt.push('$'),
            Some('n') => prompt.push('\n'),
            Some('e') => prompt.push('\x1b'),
            Some('a') => prompt.push('\x07'),
            Some('[' | ']') => {}
            Some('0') => {
                // `\033`, as everybody writes it.
                let rest = chars.as_str();
                match rest.strip_prefix("33") {
                    Some(rest) => {
                        prompt.push('\x1b');
                        chars = rest.chars();
                    }
                    None => prompt.push_str("\\0"),
                }
            }
            Some('\\') | None => prompt.push('\\'),
            Some(other) => prompt.extend(['\\', other]),
        }
    }
    prompt
}
