//! Simple commands: assignments, words, and who they name.

use std::rc::Rc;

use crate::{
    builtins,
    command::{Call, Failure, Utility},
    expand::parameter::{quote, quote_if_needed},
    io::{LocalFuture, Reader, Writer},
    shell::{Counted, Flow, Jump, Shell, options::Options, vars::Var},
    syntax::{Assign, Command, Redirect, Simple},
    utils,
};

/// Longest script file that is run.
const MAX_SCRIPT_BYTES: u64 = crate::syntax::MAX_SOURCE_BYTES as u64;

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Meaning {
    Function(Rc<Command>),
    Builtin(&'static builtins::Builtin),
    Utility(&'static Utility),
    /// It has a slash: a script.
    Path,
    Nothing,
}

/// Brings back the variables that a command had for itself.
struct Lent<'a> {
    shell: &'a Shell,
    saved: Vec<(Rc<str>, Option<Var>)>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        for (name, var) in self.saved.drain(..).rev() {
            self.shell.vars.borrow_mut().restore(name, var);
        }
    }
}

/// A function's call: brings back what was before.
struct Frame<'a> {
    shell: &'a Shell,
    args: Rc<Vec<String>>,
    loops: u32,
    _entered: Counted<'a>,
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        self.shell.args.replace(self.args.clone());
        self.shell.loops.set(self.loops);
        self.shell.vars.borrow_mut().pop_scope();
    }
}

/// An alias that is being used does not mean itself.
struct Aliased<'a>(&'a Shell);

impl Drop for Aliased<'_> {
    fn drop(&mut self) {
        self.0.aliased.borrow_mut().pop();
    }
}

impl Shell {
    pub(super) async fn simple(&self, simple: &Simple, redirects: &[Redirect]) -> Flow {
        self.substituted.set(0);
        if let Some(name) = simple.words.first().and_then(|word| word.literal())
            && let Some(text) = self.alias(name)
        {
            return self.run_alias(name, &text, simple, redirects).await;
        }
        let words = self.expand_words(&simple.words).await?;
        let Some((name, args)) = words.split_first() else {
            return self.assign_only(simple, redirects).await;
        };
        let meaning = self.meaning(name);
        let Some(mut restore) = self.redirect(redirects).await? else { return Ok(1) };
        let lent = self.lend(&simple.assigns).await?;
        self.trace(&lent, &words).await;
        if name == "exec" && args.is_empty() {
            restore.old = None;
            return Ok(0);
        }
        match self.invoke(meaning, name, args).await {
            Err(Jump::Failed(status)) => Ok(status),
            other => other,
        }
    }

    /// What runs when a name is said, functions first, but not before what POSIX calls special.
    pub(crate) fn meaning(&self, name: &str) -> Meaning {
        let builtin = builtins::find(name);
        if let Some(builtin) = builtin.filter(|builtin| builtin.special) {
            return Meaning::Builtin(builtin);
        }
        if let Some(function) = self.functions.borrow().get(name) {
            return Meaning::Function(function.clone());
        }
        self.plain_meaning(name)
    }

    /// The same without functions: `command name`.
    pub(crate) fn plain_meaning(&self, name: &str) -> Meaning {
        if let Some(builtin) = builtins::find(name) {
            return Meaning::Builtin(builtin);
        }
        let base = name.strip_prefix("/bin/").or(name.strip_prefix("/usr/bin/")).unwrap_or(name);
        if let Some(utility) = utils::ALL.iter().find(|utility| utility.name == base) {
            return Meaning::Utility(utility);
        }
        if base != name
            && let Some(builtin) = builtins::find(base)
        {
            return Meaning::Builtin(builtin);
        }
        if name.contains('/') { Meaning::Path } else { Meaning::Nothing }
    }

    /// Runs what a name means, with the shell's streams.
    pub(crate) fn invoke<'a>(
        &'a self,
        meaning: Meaning,
        name: &'a str,
        args: &'a [String],
    ) -> LocalFuture<'a, Flow> {
        match meaning {
            Meaning::Function(body) => Box::pin(async move { self.call(&body, args).await }),
            Meaning::Builtin(builtin) => (builtin.run)(self, args),
            Meaning::Utility(utility) => {
                Box::pin(async move { Ok(self.run_utility(utility, name, args).await) })
            }
            Meaning::Path => Box::pin(self.run_script(name, args)),
            Meaning::Nothing => Box::pin(async move {
                self.complain(&format!("{name}: command not found")).await;
                Ok(127)
            }),
        }
    }

    async fn assign_only(&self, simple: &Simple, redirects: &[Redirect]) -> Flow {
        let Some(_restore) = self.redirect(redirects).await? else { return Ok(1) };
        for assign in &simple.assigns {
            let value = self.assigned(assign).await?;
            if self.option(Options::X_TRACE) {
                self.error_line(&format!("{}{}={}\n", self.ps4(), assign.name, quote_if_needed(&value)))
                    .await;
            }
            self.assign(&assign.name, &value).await?;
        }
        Ok(self.substituted.get())
    }

    async fn assigned(&self, assign: &Assign) -> Result<String, Jump> {
        let value = self.expand_string(&assign.value).await?;
        Ok(match self.vars.borrow().get(&assign.name) {
            Some(old) if assign.append => old.to_string() + &value,
            _ => value,
        })
    }

    /// Variables for one command: set, exported, and brought back after it.
    async fn lend(&self, assigns: &[Assign]) -> Result<Lent<'_>, Jump> {
        let mut lent = Lent { shell: self, saved: Vec::new() };
        for assign in assigns {
            let value = self.assigned(assign).await?;
            let old = self.vars.borrow().var(&assign.name).cloned();
            self.assign(&assign.name, &value).await?;
            self.vars.borrow_mut().export(&assign.name, true);
            lent.saved.push((assign.name.clone(), old));
        }
        Ok(lent)
    }

    fn ps4(&self) -> String {
        self.vars.borrow().get("PS4").map_or_else(|| "+ ".to_owned(), |ps4| ps4.to_string())
    }

    async fn trace(&self, lent: &Lent<'_>, words: &[String]) {
        if !self.option(Options::X_TRACE) {
            return;
        }
        let mut line = self.ps4();
        for (name, _) in &lent.saved {
            let value = self.vars.borrow().get(name).unwrap_or_default();
            line.push_str(&format!("{name}={} ", quote_if_needed(&value)));
        }
        let words: Vec<_> = words.iter().map(|word| quote_if_needed(word)).collect();
        self.error_line(&(line + &words.join(" ") + "\n")).await;
    }

    fn alias(&self, name: &str) -> Option<String> {
        let text = self.aliases.borrow().get(name)?.clone();
        (!self.aliased.borrow().iter().any(|active| active == name)).then_some(text)
    }

    async fn run_alias(&self, name: &str, text: &str, simple: &Simple, redirects: &[Redirect]) -> Flow {
        let mut line = text.to_owned();
        for word in self.expand_words(&simple.words[1..]).await? {
            line.push(' ');
            line.push_str(&quote(&word));
        }
        let Some(_restore) = self.redirect(redirects).await? else { return Ok(1) };
        let _lent = self.lend(&simple.assigns).await?;
        self.aliased.borrow_mut().push(name.to_owned());
        let _aliased = Aliased(self);
        self.run_text(&line).await
    }

    /// Calls a function.
    async fn call(&self, body: &Rc<Command>, args: &[String]) -> Flow {
        let frame = Frame {
            shell: self,
            args: self.args.replace(Rc::new(args.to_vec())),
            loops: self.loops.replace(0),
            _entered: Counted::new(&self.functions_entered),
        };
        self.vars.borrow_mut().push_scope();
        let flow = self.command(body).await;
        drop(frame);
        match flow {
            Err(Jump::Return(status)) => Ok(status),
            other => other,
        }
    }

    async fn run_utility(&self, utility: &Utility, name: &str, args: &[String]) -> u8 {
        let fds = self.fds();
        let stdout = fds.writer(1).unwrap_or_else(Writer::null);
        let call = Call {
            name: name.to_owned(),
            args: args.to_vec(),
            cwd: self.cwd(),
            env: self.vars.borrow().exported(),
            stdin: fds.reader(0).unwrap_or_else(Reader::empty),
            columns: stdout.is_terminal().then(|| agent::terminal::size().cols),
            stdout,
            stderr: fds.writer(2).unwrap_or_else(Writer::null),
        };
        drop(fds);
        match (utility.run)(&call).await {
            Ok(status) => status,
            Err(Failure::BrokenPipe) => 141,
            Err(Failure::Message(status, text)) => {
                self.error_line(&format!("{name}: {text}\n")).await;
                status
            }
        }
    }

    async fn run_script(&self, name: &str, args: &[String]) -> Flow {
        match read_script(self, name) {
            Ok(text) => Ok(self.run_apart(&text, name, args, Options::default()).await),
            Err((status, text)) => {
                self.complain(&format!("{name}: {text}")).await;
                Ok(status)
            }
        }
    }

    /// Runs a script as `sh` would: in a shell of its own that inherits only what is exported.
    pub(crate) async fn run_apart(&self, text: &str, name: &str, args: &[String], options: Options) -> u8 {
        let shell = self.fork(self.fds());
        shell.forget_private();
        shell.options.set(options);
        shell.name.replace(name.into());
        shell.args.replace(Rc::new(args.to_vec()));
        match crate::syntax::parse(text) {
            Ok(list) => shell.run_subshell(&list).await,
            Err(error) => {
                shell.complain(&error.to_string()).await;
                2
            }
        }
    }
}

/// The text of a script, or the status and the reason why there is none.
pub(crate) fn read_script(shell: &Shell, name: &str) -> Result<String, (u8, String)> {
    let path = shell.cwd().join(name);
    let failed = |error: std::io::Error| {
        let status = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
        (status, utils::describe(&error))
    };
    let meta = path.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err((126, "Is a directory".to_owned()));
    }
    if meta.len() > MAX_SCRIPT_BYTES {
        return Err((126, format!("script over {MAX_SCRIPT_BYTES} bytes")));
    }
    let bytes = std::fs::read(&path).map_err(failed)?;
    if bytes.contains(&0) {
        return Err((126, "cannot execute binary file".to_owned()));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
