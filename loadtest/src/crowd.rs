//! Connections that are open and silent beside a run.

use std::net::SocketAddr;

use crate::client::Client;
use crate::figures::Row;
use crate::load::Question;

/// Clients that have asked once and rest.
#[derive(Debug)]
pub struct Crowd {
    clients: Vec<Client>,
    request: Vec<u8>,
    status: u16,
}

impl Crowd {
    /// Connects so many, and has each ask once.
    ///
    /// # Errors
    /// One of them is not served.
    pub fn gather(address: SocketAddr, count: usize, question: &Question) -> Result<Self, String> {
        let mut request = Vec::new();
        question.write(0, 0, &mut request);
        let clients = (0..count).map(|_| Client::new(address)).collect();
        let mut crowd = Self { clients, request, status: question.expected.status };
        match crowd.ask_again() {
            Some(row) if row.errors() > 0 => {
                Err(format!("the idle connections are not served: {:?}", row.complaints))
            }
            _ => Ok(crowd),
        }
    }

    /// Has each ask once more, on the connection it has; nothing if there is nobody.
    pub fn ask_again(&mut self) -> Option<Row> {
        let mut row = Row::default();
        for client in &mut self.clients {
            let clock = crate::clock::Clock::start();
            match client.ask(&self.request) {
                Ok(answer) if answer.status == self.status => row.right(clock.now(), answer.bytes),
                Ok(answer) => row.wrong(format!("status {} instead of {}", answer.status, self.status)),
                Err(error) => row.wrong(format!("a connection that rested is of no use: {error}")),
            }
        }
        (!self.clients.is_empty()).then_some(row)
    }
}
