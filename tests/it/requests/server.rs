//! A server of the outside world: it tells what it was asked, and answers when it is told to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Its line and its headers, in lower case.
    pub(super) head: String,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1);
        lines.filter_map(|line| line.split_once(": ")).find(|(of, _)| *of == name).map(|(_, value)| value)
    }
}

#[derive(Debug, Default)]
struct Inner {
    seen: Mutex<Vec<Seen>>,
    came: Notify,
}

/// Ends with this.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    inner: Arc<Inner>,
    answers: Arc<Semaphore>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (inner, answers) = (Arc::new(Inner::default()), Arc::new(Semaphore::new(0)));
        let (of, gate) = (inner.clone(), answers.clone());
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, of.clone(), gate.clone()));
            }
        });
        Self { address, inner, answers, task }
    }

    /// So many more of its requests are answered.
    pub(super) fn answer(&self, requests: usize) {
        self.answers.add_permits(requests);
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub(super) async fn wait_for(&self, requests: usize) -> Vec<Seen> {
        let waiting = async {
            loop {
                let came = self.inner.came.notified();
                let seen = self.seen();
                if seen.len() >= requests {
                    return seen;
                }
                came.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        waited.unwrap_or_else(|_| panic!("asked only {:?}", self.seen()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request, and its answer: `answer` and how many came before it.
async fn serve(mut stream: TcpStream, inner: Arc<Inner>, answers: Arc<Semaphore>) -> Option<()> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let head = loop {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8(std::mem::replace(&mut bytes, body)).unwrap();
            break head.to_ascii_lowercase();
        }
    };
    let mut seen = Seen { head, body: String::new() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < length {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
    }
    seen.body = String::from_utf8(bytes).unwrap();
    let before = {
        let mut all = inner.seen.lock().unwrap();
        all.push(seen);
        all.len() - 1
    };
    inner.came.notify_waiters();
    answers.acquire().await.ok()?.forget();
    let body = format!("answer {before}\n");
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.ok()
}
