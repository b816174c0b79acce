//! A ClientHello made by hand: no library here still offers what must be refused.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A record of TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    pub kind: u8,
    pub payload: Vec<u8>,
}

pub const ALERT: u8 = 21;
pub const HANDSHAKE: u8 = 22;

/// `[fatal, protocol_version]`.
pub const OF_WRONG_VERSION: [u8; 2] = [2, 70];

/// The first message of a client of which the newest version is `version` (`0x0301` is TLS 1.0); all else in it is the
/// same whatever the version, and enough for TLS 1.2.
pub fn hello(version: u16) -> Vec<u8> {
    let suites: [u16; 8] = [0xc02b, 0xc02f, 0xc02c, 0xc030, 0xc009, 0xc013, 0x002f, 0x009c];
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(sized(&suites.map(u16::to_be_bytes).concat()));
    body.extend([1, 0]);
    let mut extensions = Vec::new();
    for (kind, content) in [
        (0x0000, sized(&[&[0][..], &sized(b"localhost")].concat())),
        (0x000a, sized(&[0x00, 0x1d, 0x00, 0x17])),
        (0x000b, vec![1, 0]),
        (0x000d, sized(&[0x04, 0x03, 0x08, 0x04, 0x04, 0x01])),
        (0x0010, sized(b"\x02h2")),
        (0x0017, Vec::new()),
        (0xff01, vec![0]),
    ] {
        extensions.extend(u16::to_be_bytes(kind));
        extensions.extend(sized(&content));
    }
    body.extend(sized(&extensions));
    let mut message = vec![1, 0];
    message.extend(sized(&body));
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(sized(&message));
    record
}

fn sized(content: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(content.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(content);
    bytes
}

/// The first record that the server answers to a hello.
pub async fn answer(address: SocketAddr, version: u16) -> Record {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&hello(version)).await.unwrap();
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let mut payload = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut payload).await.unwrap();
    Record { kind: head[0], payload }
}
