//! Where an answer leads: pure, no I/O.

use http::{HeaderMap, Method, StatusCode, header::LOCATION};
use wire::egress::{MAX_URL_BYTES, Rule, is_repeatable};

use crate::{
    Failure,
    check::{Checked, Target},
    headers,
};

/// What the answer to `method` leads to, as it says so. `None` where the answer is for the agent: requests that
/// change something are not sent to somewhere else by the host.
pub(crate) fn location<'a>(method: &Method, status: StatusCode, headers: &'a HeaderMap) -> Option<&'a [u8]> {
    let reads = is_repeatable(method.as_str());
    let leads = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
    headers.get(LOCATION).filter(|_| reads && leads).map(|value| value.as_bytes())
}

/// Leads a request there.
///
/// # Errors
/// It is nowhere, or nowhere that is granted.
pub(crate) fn follow(rules: &[Rule], request: &mut Checked, location: &[u8]) -> Result<(), Failure> {
    let bad = |why: &str| Failure::BadRedirect(why.to_owned());
    if location.len() > MAX_URL_BYTES {
        return Err(bad("it is too long"));
    }
    let text = std::str::from_utf8(location).map_err(|_| bad("it is not text"))?;
    let url = request.target.url.join(text).map_err(|error| Failure::BadRedirect(error.to_string()))?;
    let target = Target::new(url).map_err(|error| Failure::BadRedirect(error.to_string()))?;
    if !target.is_granted(rules, &request.method) {
        return Err(Failure::RedirectedAway { to: format!("{}@{target}", request.method) });
    }
    if !target.same_origin(&request.target) {
        headers::keep_public(&mut request.headers);
    }
    request.target = target;
    Ok(())
}

#[cfg(test)]
mod tests;
