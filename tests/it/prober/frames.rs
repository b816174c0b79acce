//! An HTTP/2 peer that keeps no rules: it sends the frames it is told to, and counts what it is answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// "The peer shows behaviour that might generate excessive load."
pub const ENHANCE_YOUR_CALM: u32 = 11;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a server may leave bytes unread before this peer gives up.
const PATIENCE: Duration = Duration::from_secs(5);

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The head of a gRPC call, without compression.
pub fn head(path: &str, key: &str) -> Vec<u8> {
    // From the static table: `:method: POST` and `:scheme: http`; then `:path` and `:authority` by name.
    let mut block = vec![0x83, 0x86, 0x04];
    text(path, &mut block);
    block.push(0x01);
    text("guard", &mut block);
    for (name, value) in [("content-type", "application/grpc"), ("te", "trailers"), ("x-agent-key", key)] {
        block.push(0x00);
        text(name, &mut block);
        text(value, &mut block);
    }
    block
}

/// A field that nobody asked for, in so many bytes of its value.
pub fn field(length: usize) -> Vec<u8> {
    let mut block = vec![0x00];
    text("x-more", &mut block);
    text(&"v".repeat(length), &mut block);
    block
}

fn text(text: &str, into: &mut Vec<u8>) {
    // Longer ones would need more than one byte of length.
    assert!(text.len() < 127);
    into.push(u8::try_from(text.len()).unwrap());
    into.extend(text.as_bytes());
}

/// What the server said.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Frames by type, acknowledgements apart.
    pub frames: BTreeMap<u8, u64>,
    pub acks: u64,
    /// Streams that it ended, by code.
    pub resets: BTreeMap<u32, u64>,
    /// Why it ends the connection, if it says so.
    pub goaway: Option<u32>,
    pub is_closed: bool,
}

/// A connection from any address of this machine.
pub async fn socket(address: SocketAddr, local: &str) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("{local}:0").parse().unwrap())?;
    socket.connect(address).await
}

/// One connection with HTTP/2 on it.
pub struct Peer {
    write: OwnedWriteHalf,
    heard: Arc<Mutex<Heard>>,
    listening: JoinHandle<()>,
}

impl Peer {
    /// With the preface and empty settings said.
    pub async fn connect(address: SocketAddr, local: &str) -> std::io::Result<Self> {
        let mut peer = Self::on(socket(address, local).await?);
        peer.send(PREFACE).await?;
        peer.send(&frame(SETTINGS, 0, 0, &[])).await?;
        Ok(peer)
    }

    fn on(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let listening = tokio::spawn(listen(read, Arc::clone(&heard)));
        Self { write, heard, listening }
    }

    /// Sends bytes; an error means that the server is done with this connection.
    pub async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match tokio::time::timeout(PATIENCE, self.write.write_all(bytes)).await {
            Ok(sent) => sent,
            Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }

    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn is_closed(&self) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_closed
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn listen(mut read: OwnedReadHalf, heard: Arc<Mutex<Heard>>) {
    let mut payload = Vec::new();
    loop {
        let next = async {
            let mut head = [0; 9];
            read.read_exact(&mut head).await?;
            payload.resize(usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap(), 0);
            read.read_exact(&mut payload).await?;
            Ok::<_, std::io::Error>((head[3], head[4]))
        };
        let next = next.await;
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((kind, flags)) = next else {
            heard.is_closed = true;
            return;
        };
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().unwrap());
        match kind {
            SETTINGS | PING if flags & ACK != 0 => heard.acks += 1,
            RST_STREAM => *heard.resets.entry(number(0)).or_default() += 1,
            GOAWAY => heard.goaway = Some(number(4)),
            _ => *heard.frames.entry(kind).or_default() += 1,
        }
    }
}
