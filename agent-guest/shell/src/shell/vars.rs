//! Variables and the scopes of `local`.

use std::{collections::BTreeMap, rc::Rc};

/// Most bytes that names and values take in one shell.
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;
/// What a variable takes beside its name and value.
const OVERHEAD: usize = 64;

#[derive(Debug, Clone, Default)]
pub(crate) struct Var {
    /// Absent: declared, as by `export x` or `local x`, but not set.
    pub(crate) value: Option<Rc<str>>,
    pub(crate) exported: bool,
    pub(crate) readonly: bool,
}

/// Why a variable was not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    ReadOnly(String),
    Full,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ReadOnly(name) => write!(f, "{name}: readonly variable"),
            Self::Full => write!(f, "variables over {MAX_BYTES} bytes"),
        }
    }
}

type Saved = Vec<(Rc<str>, Option<Var>)>;

/// All variables; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars {
    all: Rc<BTreeMap<Rc<str>, Var>>,
    bytes: usize,
    /// What each function's `local` hid.
    scopes: Vec<Saved>,
}

fn size(name: &str, var: &Var) -> usize {
    OVERHEAD + name.len() + var.value.as_ref().map_or(0, |value| value.len())
}

impl Vars {
    /// What a fresh shell has.
    pub(crate) fn initial(home: &str) -> Self {
        let mut vars = Self::default();
        let exported =
            [("HOME", home), ("PWD", home), ("USER", "agent"), ("SHELL", "sh"), ("TERM", "xterm-256color")];
        for (name, value) in exported {
            vars.insert(name.into(), Var { value: Some(value.into()), exported: true, readonly: false });
        }
        vars.add_private();
        vars
    }

    fn add_private(&mut self) {
        for (name, value) in [("IFS", " \t\n"), ("OPTIND", "1"), ("PS2", "> "), ("PS4", "+ ")] {
            self.insert(name.into(), Var { value: Some(value.into()), ..Var::default() });
        }
    }

    /// Leaves what a new program inherits.
    pub(crate) fn keep_exported(&mut self) {
        let all = std::mem::take(self).all;
        for (name, var) in all.iter().filter(|(_, var)| var.exported) {
            self.insert(name.clone(), Var { readonly: false, ..var.clone() });
        }
        self.add_private();
    }

    pub(crate) fn get(&self, name: &str) -> Option<Rc<str>> {
        self.all.get(name)?.value.clone()
    }

    pub(crate) fn var(&self, name: &str) -> Option<&Var> {
        self.all.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &Var)> {
        self.all.iter()
    }

    fn insert(&mut self, name: Rc<str>, var: Var) {
        self.bytes += size(&name, &var);
        if let Some(old) = Rc::make_mut(&mut self.all).insert(name.clone(), var) {
            self.bytes -= size(&name, &old);
        }
    }

    fn remove(&mut self, name: &str) -> Option<Var> {
        let old = Rc::make_mut(&mut self.all).remove(name)?;
        self.bytes -= size(name, &old);
        Some(old)
    }

    /// Sets a value and leaves the rest as it is.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Rc<str>>) -> Result<(), Refused> {
        let value = value.into();
        self.update(name, |var| var.value = Some(value))
    }

    /// Changes a variable that may be new.
    pub(crate) fn update(&mut self, name: &str, change: impl FnOnce(&mut Var)) -> Result<(), Refused> {
        let old = self.all.get_key_value(name);
        if old.is_some_and(|(_, var)| var.readonly) {
            return Err(Refused::ReadOnly(name.to_owned()));
        }
        let (name, mut var) =
            old.map_or_else(|| (name.into(), Var::default()), |(name, var)| (name.clone(), var.clone()));
        let before = self.all.get(&name).map_or(0, |old| size(&name, old));
        change(&mut var);
        if self.bytes - before + size(&name, &var) > MAX_BYTES {
            return Err(Refused::Full);
        }
        self.insert(name, var);
        Ok(())
    }

    /// Marks a variable, which may be read-only, as exported or not.
    pub(crate) fn export(&mut self, name: &str, exported: bool) {
        let mut var = self.all.get(name).cloned().unwrap_or_default();
        var.exported = exported;
        self.insert(name.into(), var);
    }

    /// For `env -i`.
    pub(crate) fn export_nothing(&mut self) {
        Rc::make_mut(&mut self.all).values_mut().for_each(|var| var.exported = false);
    }

    pub(crate) fn unset(&mut self, name: &str) -> Result<(), Refused> {
        if self.all.get(name).is_some_and(|var| var.readonly) {
            return Err(Refused::ReadOnly(name.to_owned()));
        }
        self.remove(name);
        Ok(())
    }

    /// The environment of a command.
    pub(crate) fn exported(&self) -> BTreeMap<String, String> {
        let exported = self.all.iter().filter(|(_, var)| var.exported);
        exported.filter_map(|(name, var)| Some((name.to_string(), var.value.as_ref()?.to_string()))).collect()
    }

    pub(crate) fn push_scope(&mut self) {
        self.scopes.push(Vec::new());
    }

    /// Brings back what `local` hid in the last scope.
    pub(crate) fn pop_scope(&mut self) {
        for (name, var) in self.scopes.pop().unwrap_or_default().into_iter().rev() {
            self.restore(name, var);
        }
    }

    pub(crate) fn restore(&mut self, name: Rc<str>, var: Option<Var>) {
        match var {
            Some(var) => self.insert(name, var),
            None => drop(self.remove(&name)),
        }
    }

    /// Hides a variable until the scope ends; whether there is a scope.
    pub(crate) fn localize(&mut self, name: &str) -> bool {
        let Some(scope) = self.scopes.last_mut() else { return false };
        if scope.iter().any(|(saved, _)| &**saved == name) {
            return true;
        }
        let old = self.all.get(name).cloned();
        scope.push((name.into(), old.clone()));
        // As bash does, and unlike dash: declared, but unset.
        self.insert(
            name.into(),
            Var { value: None, exported: old.is_some_and(|var| var.exported), readonly: false },
        );
        true
    }
}
