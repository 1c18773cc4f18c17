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

pub(super) fn program(program: &ast::Program) -> Result<List> {
    let mut all = Vec::new();
    for list in &program.complete_commands {
        all.extend(compound_list(list)?);
    }
    Ok(all)
}

fn compound_list(list: &ast::CompoundList) -> Result<List> {
    list.0
        .iter()
        .map(|ast::CompoundListItem(and_or_list, separator)| {
            let background = matches!(separator, ast::SeparatorOperator::Async);
            Ok(Item { list: Rc::new(and_or(and_or_list, background)?), background })
        })
        .collect()
}

fn and_or(list: &ast::AndOrList, background: bool) -> Result<AndOr> {
    let rest = list
        .additional
        .iter()
        .map(|next| match next {
            ast::AndOr::And(next) => Ok((true, pipeline(next)?)),
            ast::AndOr::Or(next) => Ok((false, pipeline(next)?)),
        })
        .collect::<Result<_>>()?;
    // Only a job's text is ever shown.
    let text = if background { one_line(&list.to_string()) } else { String::new() };
    Ok(AndOr { first: pipeline(&list.first)?, rest, text: text.into() })
}

/// Longest text of a job.
const MAX_TEXT: usize = 200;

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(MAX_TEXT).collect()
}

fn pipeline(pipeline: &ast::Pipeline) -> Result<Pipeline> {
    Ok(Pipeline {
        negated: pipeline.bang,
        timed: pipeline.timed.is_some(),
        commands: pipeline.seq.iter().map(|c| command(c).map(Rc::new)).collect::<Result<_>>()?,
    })
}

fn command(command: &ast::Command) -> Result<Command> {
    match command {
        ast::Command::Simple(command) => simple(command),
        ast::Command::Compound(command, redirects) => {
            Ok(Command { kind: compound(command)?, redirects: redirect_list(redirects.as_ref())? })
        }
        ast::Command::Function(function) => {
            let ast::FunctionBody(body, redirects) = &function.body;
            let body = Command { kind: compound(body)?, redirects: redirect_list(redirects.as_ref())? };
            let name = function.fname.value.as_str().into();
            Ok(Command { kind: Kind::Function { name, body: Rc::new(body) }, redirects: Vec::new() })
        }
        ast::Command::ExtendedTest(command, redirects) => Ok(Command {
            kind: Kind::Test(test(&command.expr)?),
            redirects: redirect_list(redirects.as_ref())?,
        }),
    }
}

fn simple(command: &ast::SimpleCommand) -> Result<Command> {
    let mut simple = Simple::default();
    let mut redirects = Vec::new();
    let prefix = command.prefix.iter().flat_map(|prefix| &prefix.0);
    let suffix = command.suffix.iter().flat_map(|suffix| &suffix.0);
    for item in prefix {
        match item {
            ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirects.push(io_redirect(redirect)?),
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) => {
                simple.assigns.push(assign(assignment)?);
            }
            _ => return Err(unsupported("process substitution")),
        }
    }
    if let Some(name) = &command.word_or_name {
        words(&name.value, &mut simple.words)?;
    }
    for item in suffix {
        match item {
            ast::CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirects.push(io_redirect(redirect)?),
            ast::CommandPrefixOrSuffixItem::AssignmentWord(assignment, text) => {
                scalar(assignment)?;
                let mut parsed = word::parse_assignment(&text.value)?;
                parsed.assignment = true;
                simple.words.push(parsed);
            }
            ast::CommandPrefixOrSuffixItem::Word(text) => words(&text.value, &mut simple.words)?,
            ast::CommandPrefixOrSuffixItem::ProcessSubstitution(..) => {
                return Err(unsupported("process substitution"));
            }
        }
    }
    Ok(Command { kind: Kind::Simple(simple), redirects })
}

fn words(text: &str, into: &mut Vec<Word>) -> Result<()> {
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

fn scalar(assignment: &ast::Assignment) -> Result<(&str, &str)> {
    match (&assignment.name, &assignment.value) {
        (ast::AssignmentName::VariableName(name), ast::AssignmentValue::Scalar(value)) => Ok((name, &value.value)),
        _ => Err(unsupported("an array")),
    }
}

fn assign(assignment: &ast::Assignment) -> Result<Assign> {
    let (name, value) = scalar(assignment)?;
    Ok(Assign { name: name.into(), append: assignment.append, value: word::parse_assigned(value)? })
}

fn compound(command: &ast::CompoundCommand) -> Result<Kind> {
    use ast::CompoundCommand as C;
    Ok(match command {
        C::Arithmetic(command) => Kind::Arithmetic(word::parse_arithmetic(&command.expr.value)?),
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
                body: compound_list(&command.body.list)?,
            }
        }
        C::BraceGroup(group) => Kind::Group(compound_list(&group.list)?),
        C::Subshell(subshell) => Kind::Subshell(Rc::new(compound_list(&subshell.list)?)),
        C::ForClause(command) => {
            let values = command.values.as_ref().map(|values| {
                let mut all = Vec::new();
                values.iter().try_for_each(|value| words(&value.value, &mut all)).map(|()| all)
            });
            if !word::is_name(&command.variable_name) {
                return Err(SyntaxError::Invalid(format!("`{}': not a valid identifier", command.variable_name)));
            }
            // `for x in; do` has an empty list, not the positional parameters, but the grammar crate
            // gives no list for both; only `in` tells, and it is gone. Nobody writes it.
            Kind::For {
                name: command.variable_name.as_str().into(),
                words: values.transpose()?,
                body: compound_list(&command.body.list)?,
            }
        }
        C::CaseClause(command) => {
            Kind::Case { word: word::parse(&command.value.value)?, items: command.cases.iter().map(case_item).collect::<Result<_>>()? }
        }
        C::IfClause(command) => {
            let mut branches = vec![(compound_list(&command.condition)?, compound_list(&command.then)?)];
            let mut otherwise = None;
            for part in command.elses.iter().flatten() {
                match &part.condition {
                    Some(condition) => branches.push((compound_list(condition)?, compound_list(&part.body)?)),
                    None => otherwise = Some(compound_list(&part.body)?),
                }
            }
            Kind::If { branches, otherwise }
        }
        C::WhileClause(command) => while_clause(command, false)?,
        C::UntilClause(command) => while_clause(command, true)?,
        C::Coprocess(_) => return Err(unsupported("a coprocess")),
    })
}

fn while_clause(command: &ast::WhileOrUntilClauseCommand, until: bool) -> Result<Kind> {
    Ok(Kind::While { until, test: compound_list(&command.0)?, body: compound_list(&command.1.list)? })
}

fn case_item(item: &ast::CaseItem) -> Result<CaseItem> {
    use ast::CaseItemPostAction as Post;
    Ok(CaseItem {
        patterns: item.patterns.iter().map(|p| word::parse(&p.value)).collect::<Result<_>>()?,
        body: item.cmd.as_ref().map(compound_list).transpose()?.unwrap_or_default(),
        after: match item.post_action {
            Post::ExitCase => After::Leave,
            Post::UnconditionallyExecuteNextCaseItem => After::RunNext,
            Post::ContinueEvaluatingCases => After::TestNext,
        },
    })
}

fn redirect_list(list: Option<&ast::RedirectList>) -> Result<Vec<Redirect>> {
    list.iter().flat_map(|list| &list.0).map(io_redirect).collect()
}

fn io_redirect(redirect: &ast::IoRedirect) -> Result<Redirect> {
    use ast::{IoFileRedirectKind as File, IoFileRedirectTarget as Target};
    let (fd, kind) = match redirect {
        ast::IoRedirect::File(fd, kind, target) => {
            let target = match target {
                Target::Filename(target) | Target::Duplicate(target) => word::parse(&target.value)?,
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
            let body = if document.requires_expansion { word::parse_here(text)? } else { word::quoted(text) };
            (*fd, RedirectKind::Here(body, false))
        }
        ast::IoRedirect::HereString(fd, text) => (*fd, RedirectKind::Here(word::parse(&text.value)?, true)),
        ast::IoRedirect::OutputAndError(target, append) => {
            (None, RedirectKind::Both(word::parse(&target.value)?, *append))
        }
    };
    Ok(Redirect { fd: fd.and_then(|fd| u32::try_from(fd).ok()), kind })
}

fn test(expression: &ast::ExtendedTestExpr) -> Result<Test> {
    use ast::ExtendedTestExpr as E;
    Ok(match expression {
        E::And(left, right) => Test::And(Box::new(test(left)?), Box::new(test(right)?)),
        E::Or(left, right) => Test::Or(Box::new(test(left)?), Box::new(test(right)?)),
        E::Not(inner) => Test::Not(Box::new(test(inner)?)),
        E::Parenthesized(inner) => test(inner)?,
        E::UnaryTest(predicate, operand) => Test::Unary(unary(predicate), word::parse(&operand.value)?),
        E::BinaryTest(predicate, left, right) => {
            Test::Binary(binary(predicate), word::parse(&left.value)?, word::parse(&right.value)?)
        }
    })
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
