//! What can go wrong, as people read it and scripts branch on it.

use std::{error::Error, io, path::PathBuf};

use wire::problem::{Code, Problem};

/// Exit code of sysexits(3): the machine cannot give what is needed.
pub(crate) const EX_OS: u8 = 71;
const EX_UNAVAILABLE: u8 = 69;
const EX_SOFTWARE: u8 = 70;
const EX_IOERR: u8 = 74;
const EX_TEMPFAIL: u8 = 75;

/// Why a verb did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The object store cannot be used.
    #[error("cannot use the object store")]
    Depot(#[from] depot::OpenError),
    /// The arguments do not make sense together.
    #[error("{0}")]
    Usage(String),
    /// Something named is not there.
    #[error("{0}")]
    NotFound(String),
    /// No cloud is known.
    #[error(
        "no cloud is known here: run `claw up` in this directory, set CLAW_URL and CLAW_TOKEN, or write a profile (see claw --help)"
    )]
    NoCloud,
    /// No token for it.
    #[error("no token for {0}: set CLAW_TOKEN or give --token-file")]
    NoToken(String),
    /// The cloud said no.
    #[error("{}", .0.title)]
    Problem(Box<Problem>),
    /// The cloud answered something that is not of this API.
    #[error("{url} answered {status}, but not as OpenClaw Cloud does")]
    Answer {
        /// What was asked.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The cloud did not answer.
    #[error("cannot reach {url}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// An agent ended that should run.
    #[error("{agent} {status}{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Ended {
        /// Which, for people.
        agent: String,
        /// `failed` or `terminated`.
        status: &'static str,
        /// Why, when known.
        why: Option<String>,
    },
    /// The time was over.
    #[error("{0}")]
    Timeout(String),
    /// The API could not be opened.
    #[error("the control plane cannot start")]
    Api(#[from] api::OpenError),
    /// The host could not be opened.
    #[error("the host cannot start")]
    Host(#[from] host::OpenError),
    /// A server stopped by itself.
    #[error("{what} stopped by itself")]
    Stopped {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// An address cannot be served on.
    #[error("cannot listen on {address}{}", in_use(.source))]
    Listen {
        /// Which.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file.
    #[error("cannot read or write {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Standard output or the terminal.
    #[error("cannot write")]
    Output(#[from] io::Error),
}

fn in_use(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => ": something else does; choose another address with --listen",
        _ => "",
    }
}

impl Failure {
    /// The exit code, as `claw --help` documents it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Ended { .. } => 1,
            Self::Usage(_) => 2,
            Self::Depot(_) => 74,
            Self::NotFound(_) => 3,
            Self::NoToken(_) => 4,
            Self::Problem(problem) => problem_code(problem),
            Self::NoCloud | Self::Unreachable { .. } | Self::Listen { .. } => EX_UNAVAILABLE,
            Self::Answer { .. } | Self::Stopped { .. } => EX_SOFTWARE,
            Self::Timeout(_) => EX_TEMPFAIL,
            Self::Api(error) => error.exit_code(),
            Self::Host(error) => error.exit_code(),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::File { .. } | Self::Output(_) => EX_IOERR,
        }
    }

    /// Says it on standard error: as a problem document where JSON was asked for.
    pub(crate) fn report(&self, json: bool) {
        match self {
            // Whoever read our output has enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            _ if json => {
                let body = match self {
                    Self::Problem(problem) => serde_json::to_value(problem).unwrap_or_default(),
                    _ => serde_json::json!({ "title": self.chain(), "exit_code": self.exit_code() }),
                };
                eprintln!("{body}");
            }
            Self::Problem(problem) => report_problem(problem),
            _ => eprintln!("error: {}", self.chain()),
        }
    }

    /// The message and those of its sources.
    fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            let more = error.to_string();
            if !text.contains(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            source = error.source();
        }
        text
    }
}

fn report_problem(problem: &Problem) {
    match &problem.detail {
        Some(detail) => eprintln!("error: {}: {detail}", problem.title),
        None => eprintln!("error: {}", problem.title),
    }
    for field in &problem.errors {
        eprintln!("  {}: {}", field.pointer, field.detail);
    }
    if let Some(milliseconds) = problem.retry_after_ms {
        eprintln!("  try again in {:.1} s", std::time::Duration::from_millis(milliseconds).as_secs_f32());
    }
    if !problem.request_id.is_empty() {
        eprintln!("  request {}", problem.request_id);
    }
}

fn problem_code(problem: &Problem) -> u8 {
    match problem.code {
        Code::NotFound | Code::AgentTerminated => 3,
        Code::Unauthenticated | Code::ScopeMissing | Code::OriginDenied => 4,
        Code::Internal => EX_SOFTWARE,
        Code::RateLimited | Code::InsufficientCapacity | Code::Unavailable | Code::StartTimeout => {
            EX_TEMPFAIL
        }
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(Failure::Output(io::ErrorKind::BrokenPipe.into()).exit_code(), 0);
        assert_eq!(Failure::Output(io::ErrorKind::StorageFull.into()).exit_code(), 74);
    }

    #[test]
    fn a_message_names_its_sources_once() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let failure = Failure::File { path: "a".into(), source };
        assert_eq!(failure.chain(), "cannot read or write a: no such file");
    }
}
