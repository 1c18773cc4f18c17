//! Against a server that speaks as much S3 as is used here.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use checkpoint::{Pack, PackBuilder};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use object_store::aws::AmazonS3Builder;
use wire::PackId;

use super::*;
use crate::{Depot, DepotError, Patience};

type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// Answers as S3 does; the objects are by bucket and key.
async fn answer(request: Request<Incoming>, objects: Objects) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert!(header("authorization").unwrap().starts_with("AWS4-HMAC-SHA256 Credential=key/"), "signed");
    let path = percent_encoding::percent_decode_str(parts.uri.path()).decode_utf8().unwrap().into_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let path = path.trim_start_matches('/').to_owned();
    let mut objects = objects.lock().unwrap();
    let found = objects.get(&path).cloned();
    let respond = |status: u16| {
        let response = Response::builder().status(status).header("etag", "\"1\"");
        response.header("last-modified", "Wed, 25 Nov 2026 05:00:00 GMT")
    };
    let whole = |status, body: Bytes| respond(status).body(Full::new(body)).unwrap();
    Ok(match (parts.method.as_str(), found) {
        ("PUT", Some(_)) if header("if-none-match").as_deref() == Some("*") => whole(412, Bytes::new()),
        ("PUT", _) => {
            objects.insert(path, body);
            whole(200, Bytes::new())
        }
        ("DELETE", _) => {
            objects.remove(&path);
            whole(204, Bytes::new())
        }
        ("GET", None) if query.contains("list-type=2") => {
            let listed: String = objects
                .iter()
                .map(|(key, bytes)| {
                    let key = key.strip_prefix("bucket/").unwrap();
                    let modified = "2026-11-25T05:00:00.000Z";
                    format!(
                        "<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>1</ETag><Size>{}</Size></Contents>",
                        bytes.len()
                    )
                })
                .collect();
            let text =
                format!("<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>");
            whole(200, text.into())
        }
        ("GET", Some(bytes)) => match header("range") {
            None => whole(200, bytes),
            Some(range) => {
                let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
                let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
                let range = format!("bytes {from}-{to}/{}", bytes.len());
                let part = Full::new(bytes.slice(from..=to));
                respond(206).header("content-range", range).body(part).unwrap()
            }
        },
        ("HEAD", Some(bytes)) => {
            respond(200).header("content-length", bytes.len()).body(Full::default()).unwrap()
        }
        _ => whole(404, Bytes::new()),
    })
}

/// Its address.
async fn serve(objects: Objects) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let objects = objects.clone();
            let service = service_fn(move |request| answer(request, objects.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    endpoint
}

fn depot(endpoint: String) -> Depot {
    let builder = AmazonS3Builder::new().with_access_key_id("key").with_secret_access_key("secret");
    let address = S3Address {
        bucket: "bucket".to_owned(),
        prefix: "some/where".to_owned(),
        region: Some("eu-test-1".to_owned()),
        endpoint: Some(endpoint),
    };
    Depot::new(with(builder, &address).unwrap(), None, true, Patience::default())
}

#[tokio::test]
async fn packs_go_to_a_bucket_and_come_back() {
    let objects = Objects::default();
    let depot = depot(serve(objects.clone()).await);
    let mut builder = PackBuilder::new(PackId::new());
    let chunks = [&[1; 4096][..], b"two"].map(|bytes| builder.add_chunk(bytes));
    let pack = builder.seal();
    depot.put(pack.clone()).await.unwrap();
    depot.put(pack.clone()).await.unwrap();
    let name = format!("bucket/some/where/{}", crate::names::pack(pack.id));
    assert_eq!(objects.lock().unwrap().get(&name), Some(&pack.bytes));
    let other = Pack { id: pack.id, bytes: pack.bytes.slice(1..) };
    assert!(matches!(depot.put(other).await, Err(DepotError::Corrupt { .. })));
    assert_eq!(depot.chunks(&chunks).await.unwrap()[1], b"two"[..]);
    let listed = depot.list(None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].bytes), (pack.id, pack.bytes.len() as u64));
    depot.delete(pack.id).await.unwrap();
    assert!(objects.lock().unwrap().is_empty());
    let gone = depot.chunks(&[checkpoint::ChunkRef { hash: [0; 32], ..chunks[0] }]).await;
    assert_eq!(gone, Err(DepotError::Missing { what: pack.id.to_string() }));
}
