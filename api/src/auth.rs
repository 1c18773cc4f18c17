//! What proves who somebody is: pure primitives, no store and no clock but the one passed in.
//!
//! - [`secret`]: 256 random bits with one text form, stored only as a hash
//! - [`token`]: API tokens, `claw_live_<token id>_<secret>`
//! - [`session`]: console cookies and one-time sign-in codes
//! - [`ticket`]: signed terminal tickets
//! - [`host`]: the credential of one host

pub mod host;
pub mod secret;
pub mod session;
pub mod ticket;
pub mod token;
