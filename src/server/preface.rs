//! Which protocol a connection speaks, by its first bytes.
//!
//! hyper-util's own detection waits for ever for a peer that stays silent; here the caller bounds it in time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What an HTTP/2 client says first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1 (or nothing that anybody knows; its parser says so).
    Http1,
    /// HTTP/2 with prior knowledge, as gRPC clients speak it.
    Http2,
}

/// Reads until the protocol is known: one byte that differs from the preface, or all of the preface.
///
/// # Errors
/// When the peer goes away first.
pub(super) async fn detect<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Protocol, Rewound<S>)> {
    let mut head = Vec::with_capacity(PREFACE.len());
    while head.len() < PREFACE.len() && PREFACE.starts_with(&head) {
        let wanted = PREFACE.len() - head.len();
        if (&mut stream).take(u64::try_from(wanted).unwrap_or(1)).read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let protocol = if head == PREFACE { Protocol::Http2 } else { Protocol::Http1 };
    Ok((protocol, Rewound { head, at: 0, stream }))
}

/// A stream with the bytes before it that were already read.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    head: Vec<u8>,
    at: usize,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(rest) = this.head.get(this.at..).filter(|rest| !rest.is_empty()) {
            let (now, _later) = rest.split_at(rest.len().min(buffer.remaining()));
            buffer.put_slice(now);
            this.at += now.len();
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn read(pieces: &[&[u8]]) -> io::Result<(Protocol, Vec<u8>)> {
        let (mut client, server) = tokio::io::duplex(3);
        let send = async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
            }
            drop(client);
        };
        let receive = async {
            let (protocol, mut rewound) = detect(server).await?;
            let mut all = Vec::new();
            rewound.read_to_end(&mut all).await?;
            Ok((protocol, all))
        };
        let ((), received) = tokio::join!(send, receive);
        received
    }

    #[tokio::test]
    async fn the_preface_is_http2_and_nothing_is_lost() {
        let sent = [&PREFACE[..7], &PREFACE[7..], b"frames"];
        assert_eq!(read(&sent).await.unwrap(), (Protocol::Http2, sent.concat()));
    }

    #[tokio::test]
    async fn the_first_byte_that_differs_is_http1() {
        let sent: [&[u8]; 1] = [b"PRIVMSG / HTTP/1.1\r\n\r\n"];
        assert_eq!(read(&sent).await.unwrap(), (Protocol::Http1, sent.concat()));
        let sent: [&[u8]; 1] = [b"GET /"];
        assert_eq!(read(&sent).await.unwrap(), (Protocol::Http1, sent.concat()));
    }

    #[tokio::test]
    async fn a_peer_that_goes_away_is_an_error() {
        assert!(read(&[]).await.is_err());
        assert!(read(&[b"PRI"]).await.is_err());
    }
}
