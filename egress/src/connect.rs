//! A connection for one request: to an address that was looked at, over TLS where the URL says so.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use ipnet::IpNet;
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;
use wire::egress::Scheme;

use crate::{
    CONNECT_TIMEOUT, Failure, SetupError,
    address::{self, Reason},
    check::Target,
};

/// The next address is tried when the one before it has not answered for this long (RFC 8305, 5).
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of an answer that are tried.
const TRIES: usize = 8;

/// What a request goes over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Makes connections.
pub(crate) struct Connector {
    tls: Arc<ClientConfig>,
    allow: Arc<[IpNet]>,
}

impl Connector {
    pub(crate) fn new(roots: &[CertificateDer<'static>], allow: Arc<[IpNet]>) -> Result<Self, SetupError> {
        let mut store = RootCertStore::empty();
        for (index, root) in roots.iter().enumerate() {
            store.add(root.clone()).map_err(|source| SetupError::Root { index, source })?;
        }
        let system = rustls_native_certs::load_native_certs();
        for error in &system.errors {
            tracing::warn!(%error, "cannot read some of the system's root certificates");
        }
        // Systems carry old ones that nobody can use any more.
        let (added, _) = store.add_parsable_certificates(system.certs);
        if added == 0 {
            tracing::warn!("the system has no root certificates: agents reach nothing by https");
        }
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(SetupError::Tls)?
            .with_root_certificates(store)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session tells a server that two tenants share a host.
        tls.resumption = Resumption::disabled();
        Ok(Self { tls: Arc::new(tls), allow })
    }

    /// A connection to one of `addresses`, all of them looked at before.
    pub(crate) async fn connect(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<Box<dyn Stream>, Failure> {
        let to = || format!("{}:{}", target.host, target.port);
        let failed = |source| Failure::Connect { to: to(), source };
        let tcp = first(addresses).await.map_err(failed)?;
        let (here, there) = (tcp.local_addr().map_err(failed)?, tcp.peer_addr().map_err(failed)?);
        if is_itself(here, there, &self.allow) {
            return Err(Failure::ForbiddenAddress { host: target.host.to_string(), reason: Reason::Itself });
        }
        tcp.set_nodelay(true).map_err(failed)?;
        if target.scheme == Scheme::Http {
            return Ok(Box::new(tcp));
        }
        let failed = |source| Failure::Tls { to: to(), source };
        let handshake = TlsConnector::from(self.tls.clone()).connect(server_name(target)?, tcp);
        let late = |_| Err(io::ErrorKind::TimedOut.into());
        Ok(Box::new(timeout(CONNECT_TIMEOUT, handshake).await.unwrap_or_else(late).map_err(failed)?))
    }
}

fn server_name(target: &Target) -> Result<ServerName<'static>, Failure> {
    let name = match &target.host {
        url::Host::Domain(name) => ServerName::try_from(name.clone()),
        url::Host::Ipv4(address) => Ok(std::net::IpAddr::from(*address).into()),
        url::Host::Ipv6(address) => Ok(std::net::IpAddr::from(*address).into()),
    };
    let invalid = |_| crate::Refused::Invalid("the URL's host cannot be in a certificate".to_owned());
    Ok(name.map_err(invalid)?)
}

/// Whether a connection ends where it began. The tables know no public address of this machine; its kernel does,
/// and connects to them from themselves.
fn is_itself(here: SocketAddr, there: SocketAddr, allow: &[IpNet]) -> bool {
    // An address that is refused by the tables and got here was allowed.
    here.ip() == there.ip()
        && address::refusal(there.ip(), &[]).is_none()
        && !allow.iter().any(|net| net.contains(&there.ip()))
}

/// The first connection that is made, each address being tried a little after the one before it, or at once when
/// that failed.
async fn first(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter().copied().take(TRIES);
    let mut trying = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match waiting.next() {
            Some(address) => trying.push(one(address)),
            None if trying.is_empty() => return Err(last),
            None => {}
        }
        tokio::select! {
            Some(done) = trying.next() => match done {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = sleep(STAGGER), if waiting.len() > 0 => {}
        }
    }
}

async fn one(address: SocketAddr) -> io::Result<TcpStream> {
    timeout(CONNECT_TIMEOUT, TcpStream::connect(address))
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_to_itself_is_known() {
        let socket = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (public, other) = (socket("8.8.8.8:1"), socket("8.8.4.4:1"));
        assert!(is_itself(public, socket("8.8.8.8:80"), &[]));
        assert!(!is_itself(other, public, &[]));
        assert!(!is_itself(public, public, &["8.8.8.0/24".parse().unwrap()]));
    }

    #[tokio::test]
    async fn an_address_that_fails_is_followed_by_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(first(&[gone, alive]).await.unwrap().peer_addr().unwrap(), alive);
        assert_eq!(first(&[gone]).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(first(&[]).await.is_err());
    }
}
