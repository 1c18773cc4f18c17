//! A socket's bytes between client and host. The frames are the host's business; all that is known of
//! them here is where one ends, so that this side can close a socket properly when it has to.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use wire::terminal::{DEAD_SECONDS, close};

mod frames;

use frames::Frames;

/// Bytes read from a host at once: a whole frame of output.
const DOWN: usize = 16 * 1024;
/// Bytes read from a client at once: people type less than agents write.
const UP: usize = 8 * 1024;
/// A peer that takes nothing for this long is dead; the host pings, so a live one reads.
const STALLED: Duration = Duration::from_secs(DEAD_SECONDS);
/// How long one side may go on after the other has ended.
const PARTING: Duration = Duration::from_secs(5);

/// Passes bytes on until either side ends, or `stop`: then the client is told to come back.
pub(crate) async fn run<C, H>(client: C, host: H, stop: CancellationToken)
where
    C: AsyncRead + AsyncWrite + Send + Unpin,
    H: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_host, mut to_host) = tokio::io::split(host);
    let up = upward(&mut from_client, &mut to_host);
    let down = downward(&mut from_host, &mut to_client, &stop);
    tokio::pin!(up, down);
    let ended = tokio::select! {
        ended = &mut up => timeout(PARTING, &mut down).await.unwrap_or(ended),
        ended = &mut down => timeout(PARTING, &mut up).await.unwrap_or(ended),
    };
    tracing::debug!(error = ended.err().map(tracing::field::display), "socket ended");
}

async fn upward(
    client: &mut (impl AsyncRead + Unpin),
    host: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut buffer = vec![0; UP];
    loop {
        let count = match client.read(&mut buffer).await {
            Ok(0) => return host.shutdown().await,
            Ok(count) => count,
            Err(error) => {
                // The host is told at once, so that it does not count a client that is gone.
                host.shutdown().await?;
                return Err(error);
            }
        };
        if let Err(error) = write(host, &buffer[..count]).await {
            // Taken all the same: a client that still sends would lose the host's last word to a reset.
            while client.read(&mut buffer).await? > 0 {}
            return Err(error);
        }
    }
}

async fn downward(
    host: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    stop: &CancellationToken,
) -> io::Result<()> {
    let mut buffer = vec![0; DOWN];
    let mut frames = Frames::default();
    let code = loop {
        let count = tokio::select! {
            biased;
            () = stop.cancelled(), if frames.between() => break Some(close::RESTART),
            count = host.read(&mut buffer) => count.unwrap_or(0),
        };
        if count == 0 {
            // A host that goes without a word is gone or moving; half a frame cannot be mended.
            break (frames.between() && !frames.closed()).then_some(close::MOVING);
        }
        let chunk = &buffer[..count];
        let end = frames.feed(chunk);
        match end.filter(|_| stop.is_cancelled()) {
            Some(end) => {
                write(client, &chunk[..end]).await?;
                break Some(close::RESTART);
            }
            None => write(client, chunk).await?,
        }
    };
    if let Some(code) = code.filter(|_| !frames.closed()) {
        write(client, &frames::close(code)).await?;
    }
    client.shutdown().await
}

/// Writes all of it to a peer that reads at least now and then.
async fn write(to: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match timeout(STALLED, to.write(bytes)).await? {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) => return Err(error),
        }
    }
    to.flush().await
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    struct Ends {
        client: DuplexStream,
        host: DuplexStream,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    fn start() -> Ends {
        let ((client, a), (host, b)) = (duplex(64 * 1024), duplex(64 * 1024));
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(a, b, stop.clone()));
        Ends { client, host, stop, task }
    }

    async fn rest(mut from: DuplexStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn bytes_pass_unchanged_both_ways() {
        let mut ends = start();
        ends.client.write_all(b"\x81\x80abcd").await.unwrap();
        let mut got = [0; 6];
        ends.host.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"\x81\x80abcd");
        ends.host.write_all(b"\x81\x02hi\x88\x02\x03\xe8").await.unwrap();
        drop(ends.host);
        assert_eq!(rest(ends.client).await, b"\x81\x02hi\x88\x02\x03\xe8");
        ends.task.await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_between_frames_closes_with_1012() {
        let mut ends = start();
        ends.host.write_all(b"\x81\x02hi").await.unwrap();
        let mut got = [0; 4];
        ends.client.read_exact(&mut got).await.unwrap();
        ends.stop.cancel();
        assert_eq!(rest(ends.client).await, frames::close(close::RESTART));
    }

    #[tokio::test]
    async fn a_stop_inside_a_frame_waits_for_its_end() {
        let mut ends = start();
        ends.host.write_all(b"\x81\x04ha").await.unwrap();
        let mut got = [0; 4];
        ends.client.read_exact(&mut got).await.unwrap();
        ends.stop.cancel();
        ends.host.write_all(b"lf\x81\x04next").await.unwrap();
        let mut expected = b"lf".to_vec();
        expected.extend(frames::close(close::RESTART));
        expected.splice(2..2, *b"\x81\x04next");
        assert_eq!(rest(ends.client).await, expected);
    }

    #[tokio::test]
    async fn a_host_that_vanishes_closes_with_4503() {
        let ends = start();
        drop(ends.host);
        assert_eq!(rest(ends.client).await, frames::close(close::MOVING));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_given_up() {
        let ends = start();
        let Ends { client, mut host, task, .. } = ends;
        let flood = tokio::spawn(async move {
            let frame = [&b"\x82\x7e\x40\x00"[..], &[0; 0x4000]].concat();
            while host.write_all(&frame).await.is_ok() {}
        });
        // Time passes by itself when everybody waits.
        task.await.unwrap();
        flood.await.unwrap();
        drop(client);
    }
}
