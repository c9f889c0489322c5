//! A bare connection, for what no HTTP client would send.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::soon;

/// A connection and what came over it and was not read yet.
#[derive(Debug)]
pub struct RawClient {
    socket: TcpStream,
    held: Vec<u8>,
}

/// One answer off the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawReply {
    /// Its status.
    pub status: u16,
    /// Its head, the blank line included, in lower case.
    pub head: String,
    /// Its body, chunked coding undone.
    pub body: Vec<u8>,
}

impl RawClient {
    /// Connects.
    pub async fn connect(address: SocketAddr) -> Self {
        let socket = soon("a connection", TcpStream::connect(address)).await.expect("a connection");
        Self { socket, held: Vec::new() }
    }

    /// Connects with a receive buffer of about so many bytes: what is not read soon fills it.
    pub async fn connect_narrow(address: SocketAddr, buffer: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(buffer).expect("a small buffer");
        let socket = soon("a connection", socket.connect(address)).await.expect("a connection");
        Self { socket, held: Vec::new() }
    }

    /// Sends these bytes; whether the gateway still takes them is not looked at.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = soon("the bytes to be taken", self.socket.write_all(bytes.as_ref())).await;
    }

    /// Sends these bytes and reads the next answer at the same time, as clients do: the answer may
    /// come before the gateway has taken everything, and the gateway may then take no more.
    pub async fn reply_while_sending(&mut self, bytes: &[u8]) -> Option<RawReply> {
        let (mut read, mut write) = self.socket.split();
        let sent = async {
            let _ = write.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = soon("an answer", read.read_buf(&mut self.held)) => {}
            () = sent => {}
        }
        self.reply().await
    }

    /// Says that nothing more will be sent, and goes on reading.
    pub async fn finish_sending(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// The next answer; `None` when the connection ends before one begins.
    ///
    /// # Panics
    /// When it is not HTTP, or ends in the middle.
    pub async fn reply(&mut self) -> Option<RawReply> {
        let head = loop {
            if let Some(at) = find(&self.held, b"\r\n\r\n") {
                break self.take(at + 4);
            }
            if !self.more().await {
                assert!(self.held.is_empty(), "half a head: {:?}", String::from_utf8_lossy(&self.held));
                return None;
            }
        };
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        let status =
            head.get(9..12).and_then(|s| s.parse().ok()).unwrap_or_else(|| panic!("not HTTP: {head:?}"));
        let header = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|v| v.trim().to_owned()))
        };
        let body = if header("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            self.chunked().await
        } else {
            let length = header("content-length").map_or(0, |l| l.parse().expect("a length"));
            self.exactly(length).await
        };
        Some(RawReply { status, head, body })
    }

    /// Waits until the gateway closes the connection; `Err` when it resets it. What came before is
    /// returned.
    pub async fn closed(mut self) -> (Vec<u8>, io::Result<()>) {
        let mut rest = std::mem::take(&mut self.held);
        let end = soon("the connection's end", self.socket.read_to_end(&mut rest)).await;
        (rest, end.map(|_| ()))
    }

    async fn chunked(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = find(&self.held, b"\r\n") {
                    break self.take(at + 2);
                }
                assert!(self.more().await, "the connection ends in a chunk's head");
            };
            let line = String::from_utf8_lossy(&line).into_owned();
            let size = usize::from_str_radix(line.trim(), 16).expect("a chunk's size");
            let chunk = self.exactly(size + 2).await;
            if size == 0 {
                return body;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.held.len() < length {
            assert!(self.more().await, "the connection ends in a body");
        }
        self.take(length)
    }

    /// Reads more; false at the connection's end.
    async fn more(&mut self) -> bool {
        soon("more bytes", self.socket.read_buf(&mut self.held)).await.unwrap_or(0) > 0
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.held.drain(..length).collect()
    }
}

impl RawReply {
    /// The body's `error` object, its shape checked.
    ///
    /// # Panics
    /// When the body has another shape.
    pub fn error(&self) -> super::ErrorBody {
        super::ErrorBody::read(&serde_json::from_slice(&self.body).expect("JSON"))
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::{Answer, Upstream};

    #[tokio::test]
    async fn reads_pipelined_answers_of_both_framings_and_then_the_end() {
        let upstream = Upstream::start().await;
        upstream.push(Answer::raw(200, "text/plain", "whole"));
        upstream.push(Answer::sse(["data: 1\n\n", "data: 2\n\n"]));
        let mut client = RawClient::connect(upstream.address()).await;
        let ask = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        client.send(format!("{ask}{ask}")).await;
        for want in ["whole", "data: 1\n\ndata: 2\n\n"] {
            let reply = client.reply().await.unwrap();
            assert_eq!((reply.status, &reply.body[..]), (200, want.as_bytes()));
        }
        client.finish_sending().await;
        assert_eq!(client.reply().await, None);
        let (rest, end) = client.closed().await;
        assert!(rest.is_empty() && end.is_ok());
    }
}
