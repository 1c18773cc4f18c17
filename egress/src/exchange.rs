//! One request and its answer over one connection.

use std::{error::Error as _, io};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use wire::egress::{MAX_BODY_BYTES, MAX_HEADER_BYTES, MAX_HEADERS};

use crate::{
    Failure, Response,
    check::Checked,
    connect::Stream,
    headers, redirect,
    traffic::{Traffic, Watched},
};

/// Bytes of an answer's head: its headers with what is between them, and the status line.
const MAX_HEAD_BYTES: usize = MAX_HEADER_BYTES + 4 * MAX_HEADERS + 1024;

/// What came back.
pub(crate) enum Answer {
    /// For the agent.
    Whole(Response),
    /// A redirect, to what it says.
    Elsewhere(Vec<u8>),
}

/// Sends it. The connection is used up, whatever comes of it.
pub(crate) async fn exchange(
    stream: Box<dyn Stream>,
    request: &Checked,
    body: Bytes,
    traffic: &Traffic,
) -> Result<Answer, Failure> {
    let outgoing = outgoing(request, body)?;
    let one = One { to: format!("{}:{}", request.target.host, request.target.port), request, traffic };
    let io = TokioIo::new(Watched::new(stream, traffic.clone()));
    let mut builder = http1::Builder::new();
    builder.max_headers(MAX_HEADERS).max_header_size(MAX_HEAD_BYTES);
    let (mut sender, connection) = builder.handshake(io).await.map_err(|error| one.failed(error))?;
    let answer = async {
        let answer = sender.send_request(outgoing).await.map_err(|error| one.failed(error))?;
        one.read(answer).await
    };
    // In this task and not in one of its own, so that who stops waiting has closed it.
    let (mut answer, mut connection) = (std::pin::pin!(answer), std::pin::pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // What went wrong, the answer says too.
        _ = &mut connection => answer.await,
    }
}

fn outgoing(request: &Checked, body: Bytes) -> Result<Request<Full<Bytes>>, Failure> {
    let path = request.target.path().ok_or(Failure::Internal("a path that was read before"))?;
    let host = request.target.authority().ok_or(Failure::Internal("a host that was read before"))?;
    let mut headers = request.headers.clone();
    headers::address(&mut headers, host, &request.method, body.len());
    let mut outgoing = Request::new(Full::new(body));
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = path.into();
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// What is known while an answer is read.
struct One<'a> {
    to: String,
    request: &'a Checked,
    traffic: &'a Traffic,
}

impl One<'_> {
    async fn read(&self, answer: http::Response<Incoming>) -> Result<Answer, Failure> {
        let (head, body) = answer.into_parts();
        // 101 without having been asked for; other interim answers were skipped.
        if head.status.is_informational() {
            return Err(Failure::Garbled { to: self.to.clone(), source: None });
        }
        if let Some(location) = redirect::location(&self.request.method, head.status, &head.headers) {
            return Ok(Answer::Elsewhere(location.to_vec()));
        }
        let headers = headers::answer(&head.headers).map_err(|bound| self.too_large(bound))?;
        let body = self.body(body).await?;
        Ok(Answer::Whole(Response { status: head.status.as_u16(), headers, body }))
    }

    async fn body(&self, mut body: Incoming) -> Result<Vec<u8>, Failure> {
        let bound = || self.too_large(format!("{MAX_BODY_BYTES} bytes"));
        // Declared: refused before it is read.
        let declared = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if declared > MAX_BODY_BYTES {
            return Err(bound());
        }
        let mut whole = Vec::with_capacity(declared);
        while let Some(frame) = body.frame().await {
            // Trailers are not for agents.
            let Ok(data) = frame.map_err(|error| self.failed(error))?.into_data() else { continue };
            if data.len() > MAX_BODY_BYTES - whole.len() {
                return Err(bound());
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole)
    }

    fn too_large(&self, bound: String) -> Failure {
        Failure::AnswerTooLarge { to: self.to.clone(), bound }
    }

    fn failed(&self, error: hyper::Error) -> Failure {
        let to = self.to.clone();
        if self.traffic.is_flooded() {
            return self.too_large(format!("{} bytes on the wire", crate::traffic::MAX_RECEIVED));
        }
        match error {
            error if error.is_parse_too_large() => self.too_large(headers::bound()),
            error if error.is_parse() || is_nonsense(&error) => Failure::Garbled { to, source: Some(error) },
            error if error.is_user() => Failure::Internal("the connection does not take it"),
            source => Failure::Closed { to, source },
        }
    }
}

/// Chunks that are none: hyper tells them as errors of reading.
fn is_nonsense(error: &hyper::Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    io.is_some_and(|io| matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput))
}
