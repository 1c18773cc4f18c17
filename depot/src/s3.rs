//! Stores that speak S3.
//!
//! object_store brings a client of its own, whose TLS would become that of every other client in the process. So
//! this is ours: hyper, rustls over ring, and the certificates the machine trusts.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector as Tcp},
    rt::{TokioExecutor, TokioTimer},
};
use object_store::{
    ClientOptions, ObjectStore, RetryConfig,
    aws::AmazonS3Builder,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
    prefix::PrefixStore,
};
use rustls::crypto::ring;

use crate::{OpenError, open::S3Address};

/// A connection that answers nothing for this long while it is made is given up.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections that are not used are closed after this; S3 closes them not much later itself.
const IDLE: Duration = Duration::from_secs(15);

pub(crate) fn open(address: &S3Address) -> Result<Arc<dyn ObjectStore>, OpenError> {
    with(AmazonS3Builder::from_env(), address)
}

fn with(builder: AmazonS3Builder, address: &S3Address) -> Result<Arc<dyn ObjectStore>, OpenError> {
    // Tries are counted and waited between in one place, and it is not this one.
    let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let mut builder =
        builder.with_bucket_name(&address.bucket).with_retry(once).with_http_connector(Connector);
    // One object is deleted at a time, and not every store has the request for many.
    builder = builder.with_disable_bulk_delete(true);
    if let Some(region) = &address.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &address.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    let store = builder.build().map_err(|error| OpenError::Settings(Box::new(error)))?;
    if address.prefix.is_empty() {
        return Ok(Arc::new(store));
    }
    Ok(Arc::new(PrefixStore::new(store, address.prefix.as_str())))
}

/// Makes clients.
#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| object_store::Error::Generic {
            store: "S3",
            source,
        };
        let mut tcp = Tcp::new();
        tcp.set_connect_timeout(Some(CONNECT));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring::default_provider())
            .map_err(|error| failed(Box::new(error)))?;
        let plain = options.get_config_value(&object_store::ClientConfigKey::AllowHttp);
        let tls = if plain.as_deref() == Some("true") { tls.https_or_http() } else { tls.https_only() };
        let connector = tls.enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(HttpClient::new(Http(client)))
    }
}

/// A client.
#[derive(Debug)]
struct Http(Client<HttpsConnector<Tcp>, HttpRequestBody>);

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let kind = |error: &ClientError| {
            if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request }
        };
        let answer = self.0.request(request).await.map_err(|error| HttpError::new(kind(&error), error))?;
        let (parts, body) = answer.into_parts();
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body)))
    }
}

#[cfg(test)]
mod tests;
