//! Parts of a file, as HTTP names them.

use std::ops::Range;

use crate::workspace::WorkspaceError;

/// One range of a `Range: bytes=…` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first byte to the last, both included, or to the end.
    From {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte; beyond the end means the end.
        last: Option<u64>,
    },
    /// So many bytes at the end.
    Last(u64),
}

impl ByteRange {
    /// Reads a `Range` header. `None` means that it is to be ignored, as HTTP wants it for units
    /// it does not know and forms it need not serve: several ranges at once.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
        let number = |digits: &str| {
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()
        };
        match (first.trim(), last.trim()) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From { first: number(first)?, last: None }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From { first, last: Some(last) })
            }
        }
    }

    /// The bytes of a file of `size` that this names.
    ///
    /// # Errors
    ///
    /// [`WorkspaceError::Range`] when it names none.
    pub fn of(self, size: u64) -> Result<Range<u64>, WorkspaceError> {
        let range = match self {
            Self::From { first, last } => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        if range.is_empty() { Err(WorkspaceError::Range { size }) } else { Ok(range) }
    }
}
