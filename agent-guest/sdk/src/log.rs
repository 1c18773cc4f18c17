//! The agent's log: a message and fields, kept by the host with the time and the agent's id.
//!
//! ```
//! # let _host = agent::testing::FakeHost::new();
//! let (path, bytes) = ("/work/notes", 1200);
//! agent::log::info!(path, bytes; "saved");
//! agent::log::warn!("disk is {}% full", 91);
//! agent::log::error!(cause = "no route"; "cannot reach {}", "example.com");
//! ```

use std::fmt::Display;

pub use crate::types::Level;

/// Writes one entry; the macros are nicer.
pub fn write(level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
    let fields: Vec<(String, String)> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    crate::host::log(level, message, &fields);
}

/// Writes an entry at the given [`Level`]; see the macros named after the levels.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($rest:tt)+) => { $crate::__log_fields!($level, [] $($rest)+) };
}

/// Collects `name` and `name = value` fields up to the `;`.
#[doc(hidden)]
#[macro_export]
macro_rules! __log_fields {
    ($level:ident, [$($field:tt)*] $name:ident = $value:expr; $($message:tt)+) => {
        $crate::__log_write!($level, [$($field)* (::core::stringify!($name), &$value)], $($message)+)
    };
    ($level:ident, [$($field:tt)*] $name:ident = $value:expr, $($rest:tt)+) => {
        $crate::__log_fields!($level, [$($field)* (::core::stringify!($name), &$value),] $($rest)+)
    };
    ($level:ident, [$($field:tt)*] $name:ident; $($message:tt)+) => {
        $crate::__log_write!($level, [$($field)* (::core::stringify!($name), &$name)], $($message)+)
    };
    ($level:ident, [$($field:tt)*] $name:ident, $($rest:tt)+) => {
        $crate::__log_fields!($level, [$($field)* (::core::stringify!($name), &$name),] $($rest)+)
    };
    ($level:ident, [] $($message:tt)+) => { $crate::__log_write!($level, [], $($message)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_write {
    ($level:ident, [$($field:tt)*], $($message:tt)+) => {
        $crate::log::write($crate::log::Level::$level, &::std::format!($($message)+), &[$($field)*])
    };
}

macro_rules! level_macro {
    ($d:tt $hidden:ident, $public:ident, $level:ident, $doc:literal) => {
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $hidden {
                                            ($d($d arg:tt)+) => { $crate::__log!($level, $d($d arg)+) };
                                        }
        #[doc = $doc]
        #[doc(inline)]
        pub use $hidden as $public;
    };
}

level_macro!($ __trace, trace, Trace, "Logs details of details.");
level_macro!($ __debug, debug, Debug, "Logs what helps to find a fault.");
level_macro!($ __info, info, Info, "Logs what an operator wants to know.");
level_macro!($ __warn, warn, Warn, "Logs what went wrong and was dealt with.");
level_macro!($ __error, error, Error, "Logs what went wrong and needs someone.");
