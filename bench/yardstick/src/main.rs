//! Answers every request with the bytes of one file, by may_minihttp: `yardstick PORT FILE [WORKERS [gzip]]`.
//!
//! The headers are those muster sends with a cached answer, fixed, since this server can send no others.

use std::io;

use may_minihttp::{HttpServer, HttpService, Request, Response};

#[derive(Clone)]
struct Fixed {
    body: &'static [u8],
    gzip: bool,
}

impl HttpService for Fixed {
    fn call(&mut self, _: Request, response: &mut Response) -> io::Result<()> {
        response.header("Content-Type: application/json");
        if self.gzip {
            response.header("Content-Encoding: gzip");
        }
        response.header("Vary: Accept-Encoding");
        response.header("X-Consul-Index: 12345");
        response.header("X-Consul-Knownleader: true");
        response.header("X-Consul-Lastcontact: 0");
        response.header("X-Consul-Effective-Consistency: leader");
        response.body_mut().extend_from_slice(self.body);
        Ok(())
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().expect("usage: yardstick PORT FILE [WORKERS [gzip]]");
    let file = arguments.next().expect("usage: yardstick PORT FILE [WORKERS [gzip]]");
    let workers = arguments.next().map_or(2, |number| number.parse().expect("WORKERS is a number"));
    let gzip = arguments.next().is_some_and(|it| it == "gzip");
    may::config().set_workers(workers);
    let body: &'static [u8] = std::fs::read(file).expect("FILE can be read").leak();
    let server = HttpServer(Fixed { body, gzip }).start(format!("127.0.0.1:{port}")).expect("PORT is free");
    server.join().expect("the server runs");
}
