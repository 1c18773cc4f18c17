//! Files of an agent's workspace.

use std::ops::Range;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Largest file body of one request, bytes.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Most entries in one listing; the rest follows by `cursor`.
pub const MAX_LISTING: usize = 1000;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; it never leads out of the workspace.
    Symlink,
}

/// One entry below `/work`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FileEntry {
    /// Relative to `/work`, with `/` between names.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes; 0 for directories.
    pub size_bytes: u64,
    /// When its content last changed.
    pub modified_at: Timestamp,
}

/// One range of a `Range: bytes=…` header (RFC 9110).
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

    /// The bytes of a file of `size` bytes that this names; `None` when it names none of them.
    #[must_use]
    pub fn of(self, size: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From { first, last } => first..last.map_or(size, |last| last.saturating_add(1).min(size)),
            Self::Last(count) => size.saturating_sub(count)..size,
        };
        (!range.is_empty()).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        let of = |header, size| ByteRange::parse(header).map(|range| range.of(size));
        assert_eq!(of("bytes=0-1", 9), Some(Some(0..2)));
        assert_eq!(of("bytes=5-", 9), Some(Some(5..9)));
        assert_eq!(of("bytes=-3", 9), Some(Some(6..9)));
        assert_eq!(of("bytes=0-99", 9), Some(Some(0..9)));
        assert_eq!(of("bytes=9-", 9), Some(None));
        assert_eq!(of("bytes=-0", 9), Some(None));
        for ignored in ["bytes=3-1", "bytes=0-1,4-5", "lines=1-2", "bytes=+1-2"] {
            assert_eq!(of(ignored, 9), None, "{ignored}");
        }
    }
}
