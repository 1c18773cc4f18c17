//! The threads that read. They share one queue, so a long list never keeps a point read waiting while
//! another thread is idle.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::mpsc;

use super::step::Step;

type Queue = Arc<Mutex<mpsc::Receiver<Box<dyn Step>>>>;

pub(super) fn spawn(
    connections: Vec<Connection>,
    queue: mpsc::Receiver<Box<dyn Step>>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let queue = Arc::new(Mutex::new(queue));
    let start = |connection| {
        let queue = Arc::clone(&queue);
        std::thread::Builder::new().name("store-reader".to_owned()).spawn(move || serve(&connection, &queue))
    };
    connections.into_iter().map(start).collect()
}

fn serve(connection: &Connection, queue: &Queue) {
    // The lock is held while waiting, by one of the threads; the others wait for the lock.
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
    while let Some(mut step) = take() {
        if step.is_wanted() {
            step.work(connection);
            step.answer(Ok(()));
        }
    }
}
