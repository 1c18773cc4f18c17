//! `test`, `[` and `[[`.

use std::{fs::Metadata, time::SystemTime};

use crate::{
    io::LocalFuture,
    shell::{Flow, Jump, Shell, options::Options},
    syntax::{Test, Word},
    utils::regex,
};

/// Deepest nesting of brackets in `test`.
const MAX_DEPTH: usize = 32;

impl Shell {
    pub(super) async fn extended_test(&self, test: &Test) -> Flow {
        Ok(u8::from(!self.holds(test).await?))
    }

    fn holds<'a>(&'a self, test: &'a Test) -> LocalFuture<'a, Result<bool, Jump>> {
        Box::pin(async move {
            match test {
                Test::And(left, right) => Ok(self.holds(left).await? && self.holds(right).await?),
                Test::Or(left, right) => Ok(self.holds(left).await? || self.holds(right).await?),
                Test::Not(inner) => Ok(!self.holds(inner).await?),
                Test::Unary(operator, operand) => {
                    let operand = self.expand_string(operand).await?;
                    Ok(self.unary(operator, &operand).unwrap_or_default())
                }
                Test::Binary(operator, left, right) => self.extended_binary(operator, left, right).await,
            }
        })
    }

    async fn extended_binary(&self, operator: &str, left: &Word, right: &Word) -> Result<bool, Jump> {
        let left = self.expand_string(left).await?;
        match operator {
            "==" => Ok(self.expand_pattern(right).await?.matches(&left)),
            "!=" => Ok(!self.expand_pattern(right).await?.matches(&left)),
            "=~" => {
                let pattern = self.expand_string(right).await?;
                match regex::compile(&pattern, regex::Syntax { extended: true, ..regex::Syntax::default() }) {
                    Ok(regex) => Ok(regex.is_match(left.as_bytes())),
                    Err(error) => {
                        self.complain(&format!("{pattern}: {error}")).await;
                        Err(Jump::Abandon(2))
                    }
                }
            }
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                // Here the operands are expressions.
                let (left, right) = (self.evaluate(&left).await?, self.arithmetic(right).await?);
                Ok(compare(operator, left.cmp(&right)))
            }
            _ => {
                let right = self.expand_string(right).await?;
                Ok(self.binary(&left, operator, &right).unwrap_or(Ok(false)).unwrap_or_default())
            }
        }
    }

    /// `test` with its words.
    ///
    /// # Errors
    /// They are no expression.
    pub(crate) fn test(&self, words: &[String]) -> Result<bool, String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        // POSIX decides by the number of words, so that `test "$x" = "("` works for every x.
        match words[..] {
            [] => Ok(false),
            [word] => Ok(!word.is_empty()),
            ["!", word] => Ok(word.is_empty()),
            [operator, operand] => {
                self.unary(operator, operand).ok_or_else(|| format!("{operator}: unary operator expected"))
            }
            [left, operator, right] if is_binary(operator) => {
                self.binary(left, operator, right).unwrap_or(Ok(false))
            }
            ["!", left, operator, right] if is_binary(operator) => {
                self.binary(left, operator, right).unwrap_or(Ok(false)).map(|holds| !holds)
            }
            _ => {
                let mut parser = Expression { shell: self, words: &words, at: 0, depth: 0 };
                let holds = parser.or()?;
                match words.get(parser.at) {
                    None => Ok(holds),
                    Some(word) => Err(format!("{word}: unexpected argument")),
                }
            }
        }
    }

    /// `None`: there is no such operator.
    fn unary(&self, operator: &str, operand: &str) -> Option<bool> {
        let path = self.cwd().join(operand);
        let is = |test: fn(&Metadata) -> bool| {
            path.metadata().is_ok_and(|meta| test(&meta)) && !operand.is_empty()
        };
        Some(match operator {
            "-n" => !operand.is_empty(),
            "-z" => operand.is_empty(),
            // There are no permissions: what exists can be read, written and run.
            "-e" | "-a" | "-r" | "-w" | "-x" | "-O" | "-G" => is(|_| true),
            "-f" => is(Metadata::is_file),
            "-d" => is(Metadata::is_dir),
            "-s" => is(|meta| meta.len() > 0),
            "-h" | "-L" => path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()),
            "-b" | "-g" | "-k" | "-p" | "-u" | "-S" | "-N" | "-R" => false,
            "-c" => matches!(operand, "/dev/null" | "/dev/tty"),
            "-t" => operand.parse().ok().and_then(|n| self.fds.borrow().get(n)).is_some_and(|fd| fd.terminal),
            "-v" => self.variable(operand).is_some(),
            "-o" => Options::by_name(operand).is_some_and(|option| self.option(option)),
            _ => return None,
        })
    }

    /// `None`: there is no such operator.
    fn binary(&self, left: &str, operator: &str, right: &str) -> Option<Result<bool, String>> {
        let modified =
            |name: &str| -> Option<SystemTime> { self.cwd().join(name).metadata().ok()?.modified().ok() };
        let number = |text: &str| {
            text.trim().parse::<i64>().map_err(|_| format!("{text}: integer expression expected"))
        };
        Some(Ok(match operator {
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            ">" => left > right,
            "-nt" => modified(left) > modified(right),
            "-ot" => modified(left) < modified(right),
            "-ef" => {
                let real = |name: &str| self.cwd().join(name).canonicalize().ok();
                real(left).is_some() && real(left) == real(right)
            }
            "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                let order = number(left).and_then(|left| Ok(left.cmp(&number(right)?)));
                return Some(order.map(|order| compare(operator, order)));
            }
            _ => return None,
        }))
    }
}

fn is_binary(operator: &str) -> bool {
    matches!(
        operator,
        "=" | "==" | "!=" | "<" | ">" | "-nt" | "-ot" | "-ef" | "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge"
    )
}

fn compare(operator: &str, order: std::cmp::Ordering) -> bool {
    match operator {
        "-eq" => order.is_eq(),
        "-ne" => order.is_ne(),
        "-lt" => order.is_lt(),
        "-le" => order.is_le(),
        "-gt" => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// More than four words, or brackets.
struct Expression<'a> {
    shell: &'a Shell,
    words: &'a [&'a str],
    at: usize,
    depth: usize,
}

impl Expression<'_> {
    fn eat(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut holds = self.and()?;
        while self.eat("-o") {
            holds |= self.and()?;
        }
        Ok(holds)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut holds = self.not()?;
        while self.eat("-a") {
            holds &= self.not()?;
        }
        Ok(holds)
    }

    fn not(&mut self) -> Result<bool, String> {
        let mut negated = false;
        while self.words.len() > self.at + 1 && self.eat("!") {
            negated = !negated;
        }
        Ok(self.primary()? != negated)
    }

    fn primary(&mut self) -> Result<bool, String> {
        let rest = &self.words[self.at..];
        if let [left, operator, right, ..] = rest
            && is_binary(operator)
        {
            self.at += 3;
            return self.shell.binary(left, operator, right).unwrap_or(Ok(false));
        }
        match rest {
            ["(", ..] => {
                if self.depth >= MAX_DEPTH {
                    return Err("expression nested too deep".to_owned());
                }
                self.depth += 1;
                self.at += 1;
                let holds = self.or()?;
                self.depth -= 1;
                if self.eat(")") { Ok(holds) } else { Err("`)' expected".to_owned()) }
            }
            [operator, operand, ..] if self.shell.unary(operator, "").is_some() => {
                self.at += 2;
                Ok(self.shell.unary(operator, operand).unwrap_or_default())
            }
            [word, ..] => {
                self.at += 1;
                Ok(!word.is_empty())
            }
            [] => Err("argument expected".to_owned()),
        }
    }
}
