//! From the grammar crate's tree to ours.

use std::rc::Rc;

use brush_parser::ast;

use super::{
    After, AndOr, Assign, CaseItem, Command, Item, Kind, List, Pipeline, Redirect, RedirectKind, Simple,
    SyntaxError, Test, Word, brace, word,
};

type Result<T> = std::result::Result<T, SyntaxError>;

fn unsupported(what: &str) -> SyntaxError {
    SyntaxError::Invalid(format!("{what} is not supported"))
}

pub(super) fn program(program: &ast::Program, source: &str) -> Result<List> {
    let lower =
        Lower { source, offsets: source.char_indices().map(|(at, _)| at).chain([source.len()]).collect() };
    let mut all = Vec::new();
    for list in &program.complete_commands {
        all.extend(lower.compound_list(list)?);
    }
    Ok(all)
}

/// Knows where the words came from: the grammar crate gives their text with blanks inside `${..}` and
/// `$(..)` made one, and that is not always what was written.
struct Lower<'a> {
    source: &'a str,
    /// The byte at which each character begins.
    offsets: Vec<usize>,
}

impl<'a> Lower<'a> {
    fn slice(&self, start: usize, end: usize) -> Option<&'a str> {
        self.source.get(*self.offsets.get(start)?..*self.offsets.get(end)?)
    }

    /// A word as it was written.
    fn text<'w>(&self, word: &'w ast::Word) -> std::borrow::Cow<'w, str>
    where
        'a: 'w,
    {
        if !word.value.contains('$') && !word.value.contains('`') {
            return word.value.as_str().into();
        }
        let written = word.loc.as_ref().and_then(|loc| self.slice(loc.start.index, loc.end.index));
        match written {
            // Only when it is the same but for blanks: here-documents move positions about.
            Some(written) if dense(written) == dense(&word.value) => written.trim().into(),
            _ => word.value.as_str().into(),
        }
    }

    fn compound_list(&self, list: &ast::CompoundList) -> Result<List> {
        list.0
            .iter()
            .map(|ast::CompoundListItem(and_or_list, separator)| {
                let background = matches!(separator, ast::SeparatorOperator::Async);
                Ok(Item { list: Rc::new(self.and_or(and_or_list, background)?), background })
            })
            .collect()
    }

    fn and_or(&self, list: &ast::AndOrList, background: bool) -> Result<AndOr> {
        let rest = list
            .additional
            .iter()
            .map(|next| match next {
                ast::AndOr::And(next) => Ok((true, self.pipeline(next)?)),
                ast::AndOr::Or(next) => Ok((false, self.pipeline(next)?)),
            })
            .collect::<Result<_>>()?;
        // Only a job's text is ever shown.
        let text = if background { one_line(&list.to_string()) } else { String::new() };
        Ok(AndOr { first: self.pipeline(&list.first)?, rest, text: text.into() })
    }

    fn pipeline(&self, pipeline: &ast::Pipeline) -> Result<Pipeline> {
        Ok(Pipeline {
            negated: pipeline.bang,
            timed: pipeline.timed.is_some(),
            commands: pipeline.seq.iter().map(|c| self.command(c).map(Rc::new)).collect::<Result<_>>()?,
        })
    }

    fn command(&self, command: &ast::Command) -> Result<Command> {
        match command {
            ast::Command::Simple(command) => self.simple(command),
            ast::Command::Compound(command, redirects) => Ok(Command {
                kind: self.compound(command)?,
                redirects: self.redirect_list(redirects.as_ref())?,
            }),
            ast::Command::Function(function) => {
                let ast::FunctionBody(body, redirects) = &function.body;
                let body = Command {
                    kind: self.compound(body)?,
                    redirects: self.redirect_list(redirects.as_ref())?,
                };
                let name = function.fname.value.as_str().into();
                Ok(Command { kind: Kind::Function { name, body: Rc::new(body) }, redirects: Vec::new() })
            }
            ast::Command::ExtendedTest(command, redirects) => Ok(Command {
                kind: Kind::Test(self.test(&command.expr)?),
                redirects: self.redirect_list(redirects.as_ref())?,
            }),
        }
    }

    fn simple(&self, command: &ast::SimpleCommand) -> Result<Command> {
        let mut simple = Simple::default();
        let mut redirects = Vec::new();
        let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
        let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
        for item in prefix {
            match item {
                ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                    redirects.push(self.io_redirect(redirect)?)
                }
                ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, text) => {
                    simple.assigns.push(self.assign(assignment, text)?);
                }
                _ => return Err(unsupported("process substitution")),
            }
        }
        if let Some(name) = &command.word_or_name {
            self.words(&self.text(name), &mut simple.words)?;
        }
        for item in suffix {
            match item {
                ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => {
                    redirects.push(self.io_redirect(redirect)?)
                }
                ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, text) => {
                    scalar(assignment)?;
                    let mut parsed = word::parse_assignment(&self.text(text))?;
                    parsed.assignment = true;
                    simple.words.push(parsed);
                }
                ast::CommandPrefixOrSuffixItem::Word(text) => {
                    self.words(&self.text(text), &mut simple.words)?
                }
                ast::CommandPrefixOrSuffixItem::ProcessSubstitution(..) => {
                    return Err(unsupported("process substitution"));
                }
            }
        }
        Ok(Command { kind: Kind::Simple(simple), redirects })
    }

    fn words(&self, text: &str, into: &mut Vec<Word>) -> Result<()> {
        if !text.contains('{') {
            into.push(word::parse(text)?);
            return Ok(());
        }
        for text in brace::expand(text).map_err(SyntaxError::Invalid)? {
            into.push(word::parse(&text)?);
        }
        if into.len() > brace::MAX_WORDS {
            return Err(SyntaxError::Invalid(format!("command over {} words", brace::MAX_WORDS)));
        }
        Ok(())
    }

    fn assign(&self, assignment: &ast::Assignment, text: &ast::Word) -> Result<Assign> {
        let name = scalar(assignment)?;
        let text = self.text(text);
        let value = text.split_once('=').map_or("", |(_, value)| value);
        Ok(Assign { name: name.into(), append: assignment.append, value: word::parse_assigned(value)? })
    }

    fn compound(&self, command: &ast::CompoundCommand) -> Result<Kind> {
        use ast::CompoundCommand as C;
        Ok(match command {
            C::Arithmetic(command) => {
                let text = self.slice(command.loc.start.index, command.loc.end.index).unwrap_or("((");
                match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                    // `( (a) )` is no arithmetic, though the grammar crate takes it for one.
                    Some(inner) if !inner.starts_with('(') => Kind::Subshell(Rc::new(super::parse(inner)?)),
                    _ => Kind::Arithmetic(word::parse_arithmetic(&command.expr.value)?),
                }
            }
            C::ArithmeticForClause(command) => {
                let part = |expression: &Option<ast::UnexpandedArithmeticExpr>| {
                    expression
                        .as_ref()
                        .filter(|e| !e.value.trim().is_empty())
                        .map(|e| word::parse_arithmetic(&e.value))
                        .transpose()
                };
                Kind::ArithmeticFor {
                    first: part(&command.initializer)?,
                    test: part(&command.condition)?,
                    step: part(&command.updater)?,
                    body: self.compound_list(&command.body.list)?,
                }
            }
            C::BraceGroup(group) => Kind::Group(self.compound_list(&group.list)?),
            C::Subshell(subshell) => Kind::Subshell(Rc::new(self.compound_list(&subshell.list)?)),
            C::ForClause(command) => {
                let values = command.values.as_ref().map(|values| {
                    let mut all = Vec::new();
                    values.iter().try_for_each(|value| self.words(&self.text(value), &mut all)).map(|()| all)
                });
                if !word::is_name(&command.variable_name) {
                    return Err(SyntaxError::Invalid(format!(
                        "`{}': not a valid identifier",
                        command.variable_name
                    )));
                }
                // `for x in; do` goes over nothing and `for x; do` over the parameters: the tree tells them
                // apart as little as it keeps the word.
                let head =
                    self.slice(command.loc.start.index, command.body.loc.start.index).unwrap_or_default();
                let nothing = values.is_none() && head.split([' ', '\t', '\n', ';']).any(|word| word == "in");
                let values = if nothing { Some(Ok(Vec::new())) } else { values };
                Kind::For {
                    name: command.variable_name.as_str().into(),
                    words: values.transpose()?,
                    body: self.compound_list(&command.body.list)?,
                }
            }
            C::CaseClause(command) => Kind::Case {
                word: word::parse(&self.text(&command.value))?,
                items: command.cases.iter().map(|part| self.case_item(part)).collect::<Result<_>>()?,
            },
            C::IfClause(command) => {
                let mut branches =
                    vec![(self.compound_list(&command.condition)?, self.compound_list(&command.then)?)];
                let mut otherwise = None;
                for part in command.elses.iter().flatten() {
                    match &part.condition {
                        Some(condition) => {
                            branches.push((self.compound_list(condition)?, self.compound_list(&part.body)?))
                        }
                        None => otherwise = Some(self.compound_list(&part.body)?),
                    }
                }
                Kind::If { branches, otherwise }
            }
            C::WhileClause(command) => self.while_clause(command, false)?,
            C::UntilClause(command) => self.while_clause(command, true)?,
            C::Coprocess(_) => return Err(unsupported("a coprocess")),
        })
    }

    fn while_clause(&self, command: &ast::WhileOrUntilClauseCommand, until: bool) -> Result<Kind> {
        Ok(Kind::While {
            until,
            test: self.compound_list(&command.0)?,
            body: self.compound_list(&command.1.list)?,
        })
    }

    fn case_item(&self, item: &ast::CaseItem) -> Result<CaseItem> {
        use ast::CaseItemPostAction as Post;
        Ok(CaseItem {
            patterns: item.patterns.iter().map(|p| word::parse(&self.text(p))).collect::<Result<_>>()?,
            body: item.cmd.as_ref().map(|part| self.compound_list(part)).transpose()?.unwrap_or_default(),
            after: match item.post_action {
                Post::ExitCase => After::Leave,
                Post::UnconditionallyExecuteNextCaseItem => After::RunNext,
                Post::ContinueEvaluatingCases => After::TestNext,
            },
        })
    }

    fn redirect_list(&self, list: Option<&ast::RedirectList>) -> Result<Vec<Redirect>> {
        list.iter().flat_map(|list| &list.0).map(|part| self.io_redirect(part)).collect()
    }

    fn io_redirect(&self, redirect: &ast::IoRedirect) -> Result<Redirect> {
        use ast::{IoFileRedirectKind as File, IoFileRedirectTarget as Target};
        let (fd, kind) = match redirect {
            ast::IoRedirect::File(fd, kind, target) => {
                let target = match target {
                    Target::Filename(target) | Target::Duplicate(target) => word::parse(&self.text(target))?,
                    Target::Fd(number) => word::parse(&number.to_string())?,
                    Target::ProcessSubstitution(..) => return Err(unsupported("process substitution")),
                };
                let kind = match kind {
                    File::Read => RedirectKind::Read(target),
                    File::Write => RedirectKind::Write(target),
                    File::Append => RedirectKind::Append(target),
                    File::ReadAndWrite => RedirectKind::ReadWrite(target),
                    File::Clobber => RedirectKind::Clobber(target),
                    File::DuplicateInput => RedirectKind::DupIn(target),
                    File::DuplicateOutput => RedirectKind::DupOut(target),
                };
                (*fd, kind)
            }
            ast::IoRedirect::HereDocument(fd, document) => {
                let text = &document.doc.value;
                let body =
                    if document.requires_expansion { word::parse_here(text)? } else { word::quoted(text) };
                (*fd, RedirectKind::Here(body, false))
            }
            ast::IoRedirect::HereString(fd, text) => {
                (*fd, RedirectKind::Here(word::parse(&self.text(text))?, true))
            }
            ast::IoRedirect::OutputAndError(target, append) => {
                (None, RedirectKind::Both(word::parse(&self.text(target))?, *append))
            }
        };
        Ok(Redirect { fd: fd.and_then(|fd| u32::try_from(fd).ok()), kind })
    }

    fn test(&self, expression: &ast::ExtendedTestExpr) -> Result<Test> {
        use ast::ExtendedTestExpr as E;
        Ok(match expression {
            E::And(left, right) => Test::And(Box::new(self.test(left)?), Box::new(self.test(right)?)),
            E::Or(left, right) => Test::Or(Box::new(self.test(left)?), Box::new(self.test(right)?)),
            E::Not(inner) => Test::Not(Box::new(self.test(inner)?)),
            E::Parenthesized(inner) => self.test(inner)?,
            E::UnaryTest(predicate, operand) => {
                Test::Unary(unary(predicate), word::parse(&self.text(operand))?)
            }
            E::BinaryTest(predicate, left, right) => Test::Binary(
                binary(predicate),
                word::parse(&self.text(left))?,
                word::parse(&self.text(right))?,
            ),
        })
    }
}

/// The name of a plain variable that is assigned.
fn scalar(assignment: &ast::Assignment) -> Result<&str> {
    match (&assignment.name, &assignment.value) {
        (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Scalar(_)) => Ok(name),
        _ => Err(unsupported("an array")),
    }
}

/// Without blanks and continued lines.
fn dense(text: &str) -> String {
    text.replace("\\\n", "").chars().filter(|c| !c.is_whitespace()).collect()
}

/// Longest text of a job.
const MAX_TEXT: usize = 200;

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TEXT).collect()
}

fn unary(predicate: &ast::UnaryPredicate) -> &'static str {
    use ast::UnaryPredicate as P;
    match predicate {
        P::FileExists => "-e",
        P::FileExistsAndIsBlockSpecialFile => "-b",
        P::FileExistsAndIsCharSpecialFile => "-c",
        P::FileExistsAndIsDir => "-d",
        P::FileExistsAndIsRegularFile => "-f",
        P::FileExistsAndIsSetgid => "-g",
        P::FileExistsAndIsSymlink => "-L",
        P::FileExistsAndHasStickyBit => "-k",
        P::FileExistsAndIsFifo => "-p",
        P::FileExistsAndIsReadable => "-r",
        P::FileExistsAndIsNotZeroLength => "-s",
        P::FdIsOpenTerminal => "-t",
        P::FileExistsAndIsSetuid => "-u",
        P::FileExistsAndIsWritable => "-w",
        P::FileExistsAndIsExecutable => "-x",
        P::FileExistsAndOwnedByEffectiveGroupId => "-G",
        P::FileExistsAndModifiedSinceLastRead => "-N",
        P::FileExistsAndOwnedByEffectiveUserId => "-O",
        P::FileExistsAndIsSocket => "-S",
        P::ShellOptionEnabled => "-o",
        P::ShellVariableIsSetAndAssigned => "-v",
        P::ShellVariableIsSetAndNameRef => "-R",
        P::StringHasZeroLength => "-z",
        P::StringHasNonZeroLength => "-n",
    }
}

fn binary(predicate: &ast::BinaryPredicate) -> &'static str {
    use ast::BinaryPredicate as P;
    match predicate {
        P::FilesReferToSameDeviceAndInodeNumbers => "-ef",
        P::LeftFileIsNewerOrExistsWhenRightDoesNot => "-nt",
        P::LeftFileIsOlderOrDoesNotExistWhenRightDoes => "-ot",
        P::StringExactlyMatchesPattern | P::StringExactlyMatchesString => "==",
        P::StringDoesNotExactlyMatchPattern | P::StringDoesNotExactlyMatchString => "!=",
        P::StringMatchesRegex | P::StringContainsSubstring => "=~",
        P::LeftSortsBeforeRight => "<",
        P::LeftSortsAfterRight => ">",
        P::ArithmeticEqualTo => "-eq",
        P::ArithmeticNotEqualTo => "-ne",
        P::ArithmeticLessThan => "-lt",
        P::ArithmeticLessThanOrEqualTo => "-le",
        P::ArithmeticGreaterThan => "-gt",
        P::ArithmeticGreaterThanOrEqualTo => "-ge",
    }
}
