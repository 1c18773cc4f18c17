//! A nameserver that answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
    task::JoinHandle,
};

use super::settings;
use crate::{Egress, Settings};

/// What it says.
pub(crate) enum Says {
    Addresses(Vec<&'static str>),
    /// The same, for which a datagram is too small.
    Long(Vec<&'static str>),
    /// Another name, and the addresses of that one.
    Alias(&'static str, Vec<&'static str>),
    Error(ResponseCode),
    Nothing,
}

pub(crate) struct Dns {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
    task: JoinHandle<()>,
}

impl Dns {
    /// `says` is given the name, what is asked of it, and how often that was asked before.
    pub(crate) async fn new(says: impl Fn(&str, RecordType, usize) -> Says + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let hears = asked.clone();
        let task = tokio::spawn(async move {
            let hear = |bytes: &[u8], stream: bool| {
                let query = Message::from_vec(bytes).unwrap();
                let question = (query.queries[0].name.to_string(), query.queries[0].query_type);
                let mut asked = hears.lock().unwrap();
                let before = asked.iter().filter(|other| **other == question).count();
                asked.push(question.clone());
                answer(&query, says(&question.0, question.1, before), stream)
            };
            let mut buffer = [0; 4096];
            loop {
                tokio::select! {
                    datagram = udp.recv_from(&mut buffer) => {
                        let (bytes, from) = datagram.unwrap();
                        if let Some(answer) = hear(&buffer[..bytes], false) {
                            udp.send_to(&answer, from).await.unwrap();
                        }
                    }
                    stream = tcp.accept() => {
                        let mut stream = stream.unwrap().0;
                        // Every question that comes over it.
                        while let Ok(bytes) = stream.read_u16().await {
                            stream.read_exact(&mut buffer[..bytes.into()]).await.unwrap();
                            let Some(answer) = hear(&buffer[..bytes.into()], true) else { break };
                            stream.write_u16(answer.len().try_into().unwrap()).await.unwrap();
                            stream.write_all(&answer).await.unwrap();
                        }
                    }
                }
            }
        });
        Self { address, asked, task }
    }

    /// The same addresses for everything that is asked for.
    pub(crate) async fn always(addresses: &'static [&'static str]) -> Self {
        Self::new(move |_, _, _| Says::Addresses(addresses.to_vec())).await
    }

    /// What was asked, in order.
    pub(crate) fn asked(&self) -> Vec<(String, RecordType)> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings { nameservers: vec![self.address], ..settings() }
    }

    pub(crate) fn egress(&self) -> Egress {
        Egress::new(self.settings()).unwrap()
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Both on one port.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
}

fn answer(query: &Message, says: Says, stream: bool) -> Option<Vec<u8>> {
    let question = &query.queries[0];
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    answer.add_query(question.clone());
    let mut name = question.name.clone();
    let addresses = match says {
        Says::Long(_) if !stream => {
            answer.metadata.truncation = true;
            Vec::new()
        }
        Says::Addresses(addresses) | Says::Long(addresses) => addresses,
        Says::Alias(other, addresses) => {
            let other = Name::from_ascii(other).unwrap();
            answer.add_answer(Record::from_rdata(name, 0, RData::CNAME(CNAME(other.clone()))));
            name = other;
            addresses
        }
        Says::Error(code) => {
            answer.metadata.response_code = code;
            Vec::new()
        }
        Says::Nothing => return None,
    };
    for address in addresses {
        let data = RData::from(address.parse::<std::net::IpAddr>().unwrap());
        if data.record_type() == question.query_type {
            // Kept by nobody.
            answer.add_answer(Record::from_rdata(name.clone(), 0, data));
        }
    }
    Some(answer.to_vec().unwrap())
}
