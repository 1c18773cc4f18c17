//! A server that reads a request and then does as it is told, be it HTTP or not.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
    task::JoinHandle,
};

/// What it does with a request.
pub(crate) enum Reply {
    /// Says this and ends.
    Say(Vec<u8>),
    /// Says this, and waits until the other side ends.
    Hold(Vec<u8>),
    /// Says the first, and the second again and again.
    Repeat(Vec<u8>, Vec<u8>),
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Say(text.as_bytes().to_vec())
    }
}

/// Ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    ended: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn new(ip: &str, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::at(SocketAddr::new(ip.parse().unwrap(), 0), reply).await
    }

    pub(crate) async fn at(
        address: SocketAddr,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
        let (sees, ends, reply) = (seen.clone(), ended.clone(), Arc::new(reply));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (sees, ends, reply) = (sees.clone(), ends.clone(), reply.clone());
                tokio::spawn(async move {
                    serve(stream, &sees, &*reply).await;
                    ends.notify_one();
                });
            }
        });
        Self { address, seen, ended, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far, as they came.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns when a connection has ended.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &Mutex<Vec<String>>,
    reply: &impl Fn(&str) -> Reply,
) {
    let Some(request) = read(&mut stream).await else { return };
    let reply = reply(&request);
    seen.lock().unwrap().push(request);
    // Whoever asked may have heard enough.
    match reply {
        Reply::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hold(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.read(&mut [0]).await;
        }
        Reply::Repeat(first, again) => {
            let mut alive = stream.write_all(&first).await.is_ok();
            while alive {
                alive = stream.write_all(&again).await.is_ok();
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut request = Vec::new();
    loop {
        if stream.read_buf(&mut request).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return Some(text);
        }
    }
}
