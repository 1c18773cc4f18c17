//! Who proves to be whom.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use super::{
    OUTSIDE,
    dns::Dns,
    get, request, send,
    server::{Reply, Server, serve},
};
use crate::{Egress, Failure, Kind, Request, Settings};

/// An authority, and a server with a certificate of it.
struct Secure {
    root: CertificateDer<'static>,
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn secure(names: &[&str]) -> Secure {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = seen.clone();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, sees) = (acceptor.clone(), sees.clone());
            tokio::spawn(async move {
                // A client that does not trust it ends here.
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let of = stream.get_ref().1;
                let alpn = String::from_utf8(of.alpn_protocol().unwrap().to_vec()).unwrap();
                let body = format!("{alpn} {}", of.server_name().unwrap_or("-"));
                serve(stream, &sees, &move |_: &str| {
                    Reply::Say(format!("HTTP/1.1 200 OK\r\n\r\n{body}").into_bytes())
                })
                .await;
            });
        }
    });
    Secure { root: authority.as_ref().der().clone(), address, seen, task }
}

fn trusting(dns: &Dns, root: &CertificateDer<'static>) -> Egress {
    Egress::new(Settings { roots: vec![root.clone()], ..dns.settings() }).unwrap()
}

#[tokio::test]
async fn a_server_proves_its_name_or_its_address() {
    let (server, dns) = (secure(&["good.test", OUTSIDE]).await, Dns::always(&[OUTSIDE]).await);
    let egress = trusting(&dns, &server.root);
    let port = server.address.port();
    let answer = get(&egress, &format!("https://good.test:{port}/")).await.unwrap();
    assert_eq!(String::from_utf8(answer.body).unwrap(), "http/1.1 good.test");
    let answer = get(&egress, &format!("https://{OUTSIDE}:{port}/")).await.unwrap();
    assert_eq!(String::from_utf8(answer.body).unwrap(), "http/1.1 -");
}

#[tokio::test]
async fn who_proves_to_be_somebody_else_gets_nothing() {
    let (server, dns) = (secure(&["good.test"]).await, Dns::always(&[OUTSIDE]).await);
    let stranger = secure(&["good.test"]).await;
    let port = server.address.port();
    for (egress, host) in [
        (trusting(&dns, &server.root), "bad.test"),
        (trusting(&dns, &stranger.root), "good.test"),
        (dns.egress(), "good.test"),
    ] {
        let posted = request("POST", &format!("https://{host}:{port}/"));
        let error = send(&egress, posted).await.unwrap_err();
        assert!(matches!(error.failure(), Failure::Tls { .. }), "{host}: {error:?}");
        assert_eq!(error.kind(), Kind::Unreachable);
        assert!(!error.may_have_left() && !error.retryable());
    }
    assert!(server.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn who_speaks_no_tls_gets_nothing() {
    // Told at once, and at the end of the wait.
    let ends = Server::new(OUTSIDE, |_| "".into()).await;
    let dns = Dns::always(&[OUTSIDE]).await;
    let within = Some(Duration::from_millis(100));
    let url = ends.url("/").replace("http:", "https:");
    let error = send(&dns.egress(), Request { timeout: within, ..request("POST", &url) }).await.unwrap_err();
    assert_eq!((error.kind(), error.may_have_left()), (Kind::Timeout, false));

    let listener = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let egress = dns.egress();
    let (error, ()) = tokio::join!(send(&egress, request("POST", &url)), async {
        drop(listener.accept().await.unwrap());
    });
    let error = error.unwrap_err();
    assert!(matches!(error.failure(), Failure::Tls { .. }), "{error:?}");
    assert!(!error.may_have_left() && error.retryable());
}

#[test]
fn what_is_no_certificate_is_refused_at_the_start() {
    let roots = vec![CertificateDer::from(b"nonsense".to_vec())];
    let error = Egress::new(Settings { roots, ..super::settings() }).unwrap_err();
    assert!(matches!(error, crate::SetupError::Root { index: 0, .. }), "{error:?}");
}
