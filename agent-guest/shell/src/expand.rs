//! From words to what a command sees, in the order of POSIX: tilde, parameters, command substitution,
//! arithmetic, field splitting, pathnames, quote removal. (Braces went when the word was parsed.)

use crate::{
    io::{LocalFuture, Writer},
    shell::{Flow, Jump, Shell},
    syntax::{self, Kind, Operation, Parameter, Piece, RedirectKind, Substitution, Tilde, Word},
};

pub(crate) mod arithmetic;
mod fields;
mod glob;
pub(crate) mod parameter;
pub(crate) mod pattern;

use fields::{Builder, Field};
use parameter::Value;
use pattern::Pattern;

/// Most bytes a command substitution may put out.
pub(crate) const MAX_SUBSTITUTION_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes the words of one command may have.
pub(crate) const MAX_EXPANSION_BYTES: usize = 16 * 1024 * 1024;
/// Most words of one command.
pub(crate) const MAX_FIELDS: usize = 200_000;

impl Shell {
    /// The fields that words become.
    pub(crate) async fn expand_words(&self, words: &[Word]) -> Result<Vec<String>, Jump> {
        /// What takes `name=value` as an assignment and not as any word.
        const DECLARE: &[&str] = &["export", "readonly", "local", "declare", "typeset", "alias"];
        let declares = words.first().and_then(Word::literal).is_some_and(|name| DECLARE.contains(&name));
        let mut result = Vec::with_capacity(words.len());
        for word in words {
            if let Some(text) = word.literal()
                && !glob::may_match(text, |_| true)
            {
                result.push(text.to_owned());
                continue;
            }
            if word.assignment && declares {
                result.push(self.expand_string(word).await?);
                continue;
            }
            let mut builder = Builder::splitting(self.ifs());
            self.pieces(&word.pieces, &mut builder, false).await?;
            for field in self.finish(builder).await? {
                self.pathnames(field, &mut result).await?;
            }
            if result.len() > MAX_FIELDS {
                return self.give_up(&format!("more than {MAX_FIELDS} words")).await;
            }
        }
        Ok(result)
    }

    /// One string, neither split nor taken for a pathname pattern.
    pub(crate) async fn expand_string(&self, word: &Word) -> Result<String, Jump> {
        if let [Piece::Text(text) | Piece::Quoted(text)] = &word.pieces[..] {
            return Ok(text.clone());
        }
        Ok(self.expand_joined(word).await?.text)
    }

    /// A pattern: what was quoted matches itself.
    pub(crate) async fn expand_pattern(&self, word: &Word) -> Result<Pattern, Jump> {
        let field = self.expand_joined(word).await?;
        Ok(Pattern::new(&field.text, &field.magic))
    }

    async fn expand_joined(&self, word: &Word) -> Result<Field, Jump> {
        let mut builder = Builder::joining(self.ifs());
        self.pieces(&word.pieces, &mut builder, false).await?;
        Ok(self.finish(builder).await?.pop().unwrap_or_default())
    }

    async fn finish(&self, builder: Builder) -> Result<Vec<Field>, Jump> {
        match builder.finish() {
            Ok(fields) => Ok(fields),
            Err(fields::TooMuch) => {
                self.give_up(&format!("expansion over {MAX_EXPANSION_BYTES} bytes")).await
            }
        }
    }

    /// An expansion that failed ends more than its command.
    pub(crate) async fn give_up<T>(&self, text: &str) -> Result<T, Jump> {
        self.complain(text).await;
        Err(Jump::Abandon(1))
    }

    /// How an error ends a script, but only the line at a prompt.
    pub(crate) fn ending(&self, status: u8) -> Jump {
        if self.common.interactive.get() && !self.subshell {
            Jump::Abandon(status)
        } else {
            Jump::Exit(status)
        }
    }

    fn ifs(&self) -> String {
        self.vars.borrow().get("IFS").map_or_else(|| " \t\n".to_owned(), |ifs| ifs.to_string())
    }

    /// `splits`: text without quotes is split as well, as in `${x:-a b}`.
    fn pieces<'a>(
        &'a self,
        pieces: &'a [Piece],
        builder: &'a mut Builder,
        splits: bool,
    ) -> LocalFuture<'a, Result<(), Jump>> {
        Box::pin(async move {
            for piece in pieces {
                match piece {
                    Piece::Text(text) if splits => builder.split(text),
                    Piece::Text(text) => builder.push(text, true),
                    Piece::Quoted(text) => builder.push(text, false),
                    Piece::Tilde(tilde) => {
                        let text = self.tilde(*tilde);
                        builder.push(&text, false);
                    }
                    Piece::Parameter { parameter, quoted } => {
                        self.parameter(parameter, *quoted, builder).await?;
                    }
                    Piece::Command { command, quoted } => {
                        let text = self.substitute(command).await?;
                        builder.value(&text, *quoted);
                    }
                    Piece::Arithmetic { expression, quoted } => {
                        let value = self.arithmetic(expression).await?;
                        builder.value(&value.to_string(), *quoted);
                    }
                }
            }
            Ok(())
        })
    }

    fn tilde(&self, tilde: Tilde) -> String {
        let variable = match tilde {
            Tilde::Home => "HOME",
            Tilde::Here => "PWD",
            Tilde::Before => "OLDPWD",
        };
        self.vars.borrow().get(variable).map_or_else(|| "~".to_owned(), |value| value.to_string())
    }

    async fn parameter(
        &self,
        parameter: &Parameter,
        quoted: bool,
        builder: &mut Builder,
    ) -> Result<(), Jump> {
        if let Operation::Default { colon, kind, word } = &parameter.operation {
            let value = self.look_up(&parameter.name);
            if value.is_set(*colon) == (*kind == '+') {
                return match kind {
                    '-' | '+' => self.pieces(&word.pieces, builder, !quoted).await,
                    '=' => {
                        let text = self.expand_string(word).await?;
                        self.assign_default(&parameter.name, &text).await?;
                        builder.value(&text, quoted);
                        Ok(())
                    }
                    _ => {
                        let text = self.expand_string(word).await?;
                        let default = if *colon { "parameter null or not set" } else { "parameter not set" };
                        let text = if text.is_empty() { default } else { &text };
                        self.complain(&format!("{}: {text}", parameter::show(&parameter.name))).await;
                        Err(self.ending(1))
                    }
                };
            }
            if *kind == '+' {
                builder.value("", quoted);
                return Ok(());
            }
            builder.parameter(value, quoted);
            return Ok(());
        }
        let value = self.operate(parameter).await?;
        builder.parameter(value, quoted);
        Ok(())
    }

    /// Expands, then evaluates.
    pub(crate) async fn arithmetic(&self, expression: &Word) -> Result<i64, Jump> {
        let text = self.expand_string(expression).await?;
        self.evaluate(&text).await
    }

    pub(crate) async fn evaluate(&self, text: &str) -> Result<i64, Jump> {
        let result = arithmetic::evaluate(text, &mut arithmetic::Variables(self));
        match result {
            Ok(value) => Ok(value),
            Err(error) => self.give_up(&format!("{}: {error}", text.trim())).await,
        }
    }

    /// What a command puts out, without the newlines at its end.
    async fn substitute(&self, command: &Substitution) -> Result<String, Jump> {
        let list = match command.parsed.get() {
            Some(list) => list.clone(),
            None => match syntax::parse(&command.source) {
                Ok(list) => {
                    let list = std::rc::Rc::new(list);
                    // Empty until here, so nothing is replaced.
                    let _ = command.parsed.set(list.clone());
                    list
                }
                Err(error) => {
                    self.complain(&format!("command substitution: {error}")).await;
                    return Err(Jump::Abandon(2));
                }
            },
        };
        let (writer, held) = Writer::capture(MAX_SUBSTITUTION_BYTES);
        let shell = self.fork(self.fds().with_writer(1, writer));
        let flow: Flow = match only_file(&list) {
            Some(word) => shell.print_file(word).await,
            None => Ok(shell.run_subshell(&list).await),
        };
        self.substituted.set(flow?);
        drop(shell);
        let mut bytes = held.take();
        if bytes.len() >= MAX_SUBSTITUTION_BYTES {
            return self.give_up(&format!("command substitution over {MAX_SUBSTITUTION_BYTES} bytes")).await;
        }
        bytes.retain(|byte| *byte != 0);
        let end = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |at| at + 1);
        bytes.truncate(end);
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }

    async fn print_file(&self, word: &Word) -> Flow {
        let name = self.expand_string(word).await?;
        match std::fs::File::open(self.cwd().join(&name)) {
            Ok(file) => {
                let reader = crate::io::Reader::from_file(file);
                loop {
                    match reader.read().await {
                        Ok(bytes) if bytes.is_empty() => return Ok(0),
                        Ok(bytes) => match self.put(bytes).await {
                            Ok(()) | Err(Jump::Exit(_)) => {}
                            Err(jump) => return Err(jump),
                        },
                        Err(error) => {
                            self.complain(&format!("{name}: {}", crate::utils::describe(&error))).await;
                            return Ok(1);
                        }
                    }
                    self.step().await;
                }
            }
            Err(error) => {
                self.complain(&format!("{name}: {}", crate::utils::describe(&error))).await;
                Ok(1)
            }
        }
    }
}

/// The file of `$(<file)`.
fn only_file(list: &syntax::List) -> Option<&Word> {
    let [item] = &list[..] else { return None };
    let [command] = &item.list.first.commands[..] else { return None };
    let (Kind::Simple(simple), [redirect]) = (&command.kind, &command.redirects[..]) else { return None };
    let plain = simple.words.is_empty() && simple.assigns.is_empty() && item.list.rest.is_empty();
    match &redirect.kind {
        RedirectKind::Read(word) if plain => Some(word),
        _ => None,
    }
}
