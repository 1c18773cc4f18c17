//! A nameserver that answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use hickory_resolver::proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::CNAME},
};
use tokio::{net::UdpSocket, task::JoinHandle};

use super::settings;
use crate::{Egress, Settings};

/// What it says.
pub(crate) enum Says {
    Addresses(Vec<&'static str>),
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
    pub(crate) async fn new(says: impl Fn(&str, RecordType, usize) -> Says + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let hears = asked.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            loop {
                let (bytes, from) = socket.recv_from(&mut buffer).await.unwrap();
                let query = Message::from_vec(&buffer[..bytes]).unwrap();
                let question = (query.queries[0].name.to_string(), query.queries[0].query_type);
                let before = {
                    let mut asked = hears.lock().unwrap();
                    asked.push(question.clone());
                    asked.iter().filter(|other| **other == question).count() - 1
                };
                if let Some(answer) = answer(&query, says(&question.0, question.1, before)) {
                    socket.send_to(&answer, from).await.unwrap();
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

fn answer(query: &Message, says: Says) -> Option<Vec<u8>> {
    let question = &query.queries[0];
    let mut answer = Message::response(query.metadata.id, OpCode::Query);
    answer.add_query(question.clone());
    let mut name = question.name.clone();
    let addresses = match says {
        Says::Addresses(addresses) => addresses,
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
