//! Why a request was not answered.

use std::{error::Error as StdError, fmt, io, time::Duration};

use crate::{Refused, address::Reason};

/// Why a request was not answered, and whether it was on its way by then.
#[derive(Debug)]
pub struct Error {
    failure: Failure,
    left: bool,
}

/// What went wrong. Nothing here says more of a URL than scheme, host and port, nor which address a name has: an
/// agent is not told how the network around its host is built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// As [`Egress::check`](crate::Egress::check) would have said.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The answer leads to somewhere that no rule grants.
    #[error("redirected to {to}, which is not granted")]
    RedirectedAway {
        /// Method, scheme, host, and port where it is not the usual one.
        to: String,
    },
    /// The answer leads to nowhere.
    #[error("redirected to something that is no address: {0}")]
    BadRedirect(String),
    /// The answers lead on and on.
    #[error("redirected more than {} times", crate::MAX_REDIRECTS)]
    TooManyRedirects,
    /// There is no such name, or it has no address.
    #[error("{0} has no address")]
    NoSuchHost(String),
    /// Nobody could be asked for the name's address.
    #[error("cannot look up {host}")]
    Lookup {
        /// The name.
        host: String,
        /// What the resolver says.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An address of the host is one that nobody may send to.
    #[error("{host} is at {reason}")]
    ForbiddenAddress {
        /// As in the URL.
        host: String,
        /// What kind of address it is.
        reason: Reason,
    },
    /// None of its addresses took the connection.
    #[error("cannot connect to {to}")]
    Connect {
        /// Host and port.
        to: String,
        /// Of the address tried last.
        source: io::Error,
    },
    /// The connection was made, and no TLS over it.
    #[error("no secure connection to {to}")]
    Tls {
        /// Host and port.
        to: String,
        /// Of rustls, where it is not the network.
        source: io::Error,
    },
    /// The connection ended before the answer did.
    #[error("{to} ended the connection before its answer was complete")]
    Closed {
        /// Host and port.
        to: String,
        /// What the connection says.
        source: hyper::Error,
    },
    /// What came is not HTTP.
    #[error("{to} answered with something that is not HTTP/1.1")]
    Garbled {
        /// Host and port.
        to: String,
        /// What it is, as far as can be said.
        source: Option<hyper::Error>,
    },
    /// The answer is longer than an agent may get.
    #[error("the answer of {to} has more than {bound}")]
    AnswerTooLarge {
        /// Host and port.
        to: String,
        /// Of what how much is allowed.
        bound: String,
    },
    /// It took longer than was allowed.
    #[error("not answered within {0:?}")]
    Timeout(Duration),
    /// A bug of ours.
    #[error("cannot make this request: {0}")]
    Internal(&'static str),
}

/// What an agent is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It took longer than was allowed.
    Timeout,
    /// The host has no address, takes no connection, or cannot prove who it is.
    Unreachable,
    /// The host ended the connection.
    RefusedByPeer,
    /// The request or the answer is out of its bounds.
    TooLarge,
    /// The request, or what was answered, is not what HTTP asks for.
    Invalid,
    /// No rule covers it, or its address is one nobody may send to.
    NotGranted,
    /// A bug of ours.
    Internal,
}

impl Error {
    pub(crate) fn new(failure: Failure, left: bool) -> Self {
        Self { failure, left }
    }

    /// What went wrong.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Whether the far side may have acted on it: false only where no byte of a request was written.
    #[must_use]
    pub fn may_have_left(&self) -> bool {
        self.left
    }

    /// What an agent is told.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.failure {
            Failure::Refused(Refused::NotGranted(_))
            | Failure::RedirectedAway { .. }
            | Failure::ForbiddenAddress { .. } => Kind::NotGranted,
            Failure::Refused(Refused::Invalid(_))
            | Failure::BadRedirect(_)
            | Failure::TooManyRedirects
            | Failure::Garbled { .. } => Kind::Invalid,
            Failure::Refused(Refused::TooLarge(_)) | Failure::AnswerTooLarge { .. } => Kind::TooLarge,
            Failure::NoSuchHost(_)
            | Failure::Lookup { .. }
            | Failure::Connect { .. }
            | Failure::Tls { .. } => Kind::Unreachable,
            Failure::Closed { .. } => Kind::RefusedByPeer,
            Failure::Timeout(_) => Kind::Timeout,
            Failure::Internal(_) => Kind::Internal,
        }
    }

    /// Whether the same request may well be answered another time. Whether it is safe to send it again is for
    /// [`may_have_left`](Self::may_have_left) to say.
    #[must_use]
    pub fn retryable(&self) -> bool {
        match &self.failure {
            Failure::Lookup { .. }
            | Failure::Connect { .. }
            | Failure::Closed { .. }
            | Failure::Timeout(_) => true,
            // Not where it was understood and refused, such as a certificate of somebody else.
            Failure::Tls { source, .. } => !source.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.failure.source()
    }
}

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The system does not say whom to ask for addresses.
    #[error("cannot read the system's nameservers")]
    Nameservers(#[source] Box<dyn StdError + Send + Sync>),
    /// The resolver does not start.
    #[error("cannot set up the resolver")]
    Resolver(#[source] Box<dyn StdError + Send + Sync>),
    /// A certificate to be trusted is none.
    #[error("root certificate {index} cannot be used")]
    Root {
        /// Which of the settings', from 0.
        index: usize,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// TLS does not start.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
}
