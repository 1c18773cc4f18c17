//! Compound commands.

use std::rc::Rc;

use crate::{
    shell::{Counted, Flow, Jump, MAX_DEFINITIONS, Shell},
    syntax::{After, CaseItem, Command, Kind, List, Word},
};

/// What a loop does next.
enum Turn {
    Go(u8),
    Leave(u8),
}

fn turn(flow: Flow) -> Result<Turn, Jump> {
    match flow {
        Ok(status) => Ok(Turn::Go(status)),
        Err(Jump::Break(1)) => Ok(Turn::Leave(0)),
        Err(Jump::Break(n)) => Err(Jump::Break(n - 1)),
        Err(Jump::Continue(1)) => Ok(Turn::Go(0)),
        Err(Jump::Continue(n)) => Err(Jump::Continue(n - 1)),
        Err(jump) => Err(jump),
    }
}

impl Shell {
    pub(super) async fn compound(&self, kind: &Kind) -> Flow {
        match kind {
            Kind::Simple(simple) => self.simple(simple, &[]).await,
            Kind::Group(list) => self.list(list).await,
            Kind::Subshell(list) => {
                let shell = self.fork(self.fds());
                Ok(shell.run_subshell(list).await)
            }
            Kind::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.condition(condition).await? {
                        return self.list(body).await;
                    }
                }
                match otherwise {
                    Some(body) => self.list(body).await,
                    None => Ok(0),
                }
            }
            Kind::While { until, test, body } => self.while_loop(*until, test, body).await,
            Kind::For { name, words, body } => self.for_loop(name, words.as_deref(), body).await,
            Kind::ArithmeticFor { first, test, step, body } => {
                self.arithmetic_for([first.as_ref(), test.as_ref(), step.as_ref()], body).await
            }
            Kind::Case { word, items } => self.case(word, items).await,
            Kind::Arithmetic(expression) => Ok(u8::from(self.arithmetic(expression).await? == 0)),
            Kind::Test(test) => self.extended_test(test).await,
            Kind::Function { name, body } => self.define(name, body).await,
        }
    }

    async fn while_loop(&self, until: bool, test: &List, body: &List) -> Flow {
        let _loops = Counted::new(&self.loops);
        let mut status = 0;
        loop {
            let holds = match self.condition(test).await {
                Ok(holds) => holds,
                Err(jump) => match turn(Err(jump))? {
                    Turn::Go(_) => continue,
                    Turn::Leave(status) => return Ok(status),
                },
            };
            if holds == until {
                return Ok(status);
            }
            match turn(self.list(body).await)? {
                Turn::Go(last) => status = last,
                Turn::Leave(status) => return Ok(status),
            }
        }
    }

    async fn for_loop(&self, name: &str, words: Option<&[Word]>, body: &List) -> Flow {
        let values = match words {
            Some(words) => self.expand_words(words).await?,
            None => self.args.borrow().to_vec(),
        };
        let _loops = Counted::new(&self.loops);
        let mut status = 0;
        for value in values {
            self.assign(name, &value).await?;
            match turn(self.list(body).await)? {
                Turn::Go(last) => status = last,
                Turn::Leave(status) => return Ok(status),
            }
        }
        Ok(status)
    }

    async fn arithmetic_for(&self, [first, test, step]: [Option<&Word>; 3], body: &List) -> Flow {
        if let Some(first) = first {
            self.arithmetic(first).await?;
        }
        let _loops = Counted::new(&self.loops);
        let mut status = 0;
        loop {
            if let Some(test) = test
                && self.arithmetic(test).await? == 0
            {
                return Ok(status);
            }
            match turn(self.list(body).await)? {
                Turn::Go(last) => status = last,
                Turn::Leave(status) => return Ok(status),
            }
            if let Some(step) = step {
                self.arithmetic(step).await?;
            }
        }
    }

    async fn case(&self, word: &Word, items: &[CaseItem]) -> Flow {
        let value = self.expand_string(word).await?;
        let mut status = 0;
        let mut runs = false;
        for item in items {
            for pattern in &item.patterns {
                if runs {
                    break;
                }
                runs = self.expand_pattern(pattern).await?.matches(&value);
            }
            if !runs {
                continue;
            }
            status = self.list(&item.body).await?;
            match item.after {
                After::Leave => return Ok(status),
                After::RunNext => {}
                After::TestNext => runs = false,
            }
        }
        Ok(status)
    }

    async fn define(&self, name: &Rc<str>, body: &Rc<Command>) -> Flow {
        if crate::builtins::find(name).is_some_and(|builtin| builtin.special) {
            return self.give_up(&format!("`{name}': is a special builtin")).await;
        }
        let full = {
            let mut functions = self.functions.borrow_mut();
            let full = functions.len() >= MAX_DEFINITIONS && !functions.contains_key(name);
            if !full {
                Rc::make_mut(&mut functions).insert(name.clone(), body.clone());
            }
            full
        };
        if full {
            return self.give_up(&format!("more than {MAX_DEFINITIONS} functions")).await;
        }
        Ok(0)
    }
}
