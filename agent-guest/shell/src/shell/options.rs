//! What `set` turns on and off.

/// A set of options.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options(u16);

/// Letter, long name and which one it is.
pub(crate) const ALL: &[(char, &str, Options)] = &[
    ('a', "allexport", Options::ALL_EXPORT),
    ('C', "noclobber", Options::NO_CLOBBER),
    ('e', "errexit", Options::ERR_EXIT),
    ('f', "noglob", Options::NO_GLOB),
    ('n', "noexec", Options::NO_EXEC),
    (' ', "pipefail", Options::PIPE_FAIL),
    ('u', "nounset", Options::NO_UNSET),
    ('v', "verbose", Options::VERBOSE),
    ('x', "xtrace", Options::X_TRACE),
];

impl Options {
    pub(crate) const ALL_EXPORT: Self = Self(1);
    pub(crate) const NO_CLOBBER: Self = Self(2);
    pub(crate) const ERR_EXIT: Self = Self(4);
    pub(crate) const NO_GLOB: Self = Self(8);
    pub(crate) const NO_EXEC: Self = Self(16);
    pub(crate) const PIPE_FAIL: Self = Self(32);
    pub(crate) const NO_UNSET: Self = Self(64);
    pub(crate) const VERBOSE: Self = Self(128);
    pub(crate) const X_TRACE: Self = Self(256);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn with(self, other: Self, on: bool) -> Self {
        Self(if on { self.0 | other.0 } else { self.0 & !other.0 })
    }

    pub(crate) fn by_letter(letter: char) -> Option<Self> {
        ALL.iter().find(|(own, ..)| *own == letter && letter != ' ').map(|(_, _, option)| *option)
    }

    pub(crate) fn by_name(name: &str) -> Option<Self> {
        ALL.iter().find(|(_, own, _)| *own == name).map(|(_, _, option)| *option)
    }

    /// `$-`.
    pub(crate) fn letters(self) -> String {
        ALL.iter()
            .filter(|(letter, _, option)| *letter != ' ' && self.has(*option))
            .map(|(letter, ..)| letter)
            .collect()
    }
}
