//! As much of PostgreSQL's protocol as tells a commit from the rest: frames, and what they are about.

use std::collections::HashMap;
use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One message: a letter, its length with itself, its content.
pub struct Frame {
    pub kind: u8,
    pub bytes: Vec<u8>,
}

impl Frame {
    /// Asks for the answers so far, without ending the transaction.
    pub fn flush() -> Self {
        Self { kind: b'H', bytes: vec![b'H', 0, 0, 0, 4] }
    }

    /// The texts that end in a zero byte, from the content's beginning.
    fn text(&self, index: usize) -> &str {
        let content = self.bytes.get(5..).unwrap_or_default();
        content.split(|byte| *byte == 0).nth(index).and_then(|text| str::from_utf8(text).ok()).unwrap_or("")
    }
}

/// One end of a connection.
pub struct Half {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// No message of this suite is longer.
const LONGEST: usize = 64 << 20;

impl Half {
    pub fn new(stream: TcpStream) -> Self {
        // Otherwise answers wait for the other end's acknowledgement.
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The client's first message, which has no letter.
    pub async fn hello(&mut self) -> Result<Vec<u8>> {
        self.take(0).await
    }

    /// The next message. What was read of one stays here when the future is dropped.
    pub async fn next(&mut self) -> Result<Frame> {
        let bytes = self.take(1).await?;
        Ok(Frame { kind: bytes[0], bytes })
    }

    /// The next message, whose length stands behind `letters` bytes.
    async fn take(&mut self, letters: usize) -> Result<Vec<u8>> {
        loop {
            if let Some(length) = self.read.get(letters..letters + 4) {
                let length = u32::from_be_bytes(length.try_into().unwrap()) as usize + letters;
                if length > LONGEST {
                    return Err(Error::new(ErrorKind::InvalidData, "no message of PostgreSQL's protocol"));
                }
                if self.read.len() >= length {
                    return Ok(self.read.drain(..length).collect());
                }
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// What a connection is doing.
#[derive(Default)]
pub struct Track {
    /// Statements by name: whether they append to a chain, and whether they look up a key.
    statements: HashMap<String, (bool, bool)>,
    /// Inside `begin`.
    explicit: bool,
    /// The statement that appends was sent in this transaction.
    appended: bool,
    /// The commit was passed on and not yet answered.
    pub committing: bool,
    /// A look-up by idempotency key was sent and not yet answered.
    pub looked_up: bool,
}

impl Track {
    /// Notes what the client says.
    pub fn client(&mut self, frame: &Frame) {
        match frame.kind {
            b'P' => {
                let text = frame.text(1);
                let appends = text.contains("update audit_chains set head_seq");
                let looks_up = text.contains("idempotency_key = $");
                self.statements.insert(frame.text(0).to_owned(), (appends, looks_up));
            }
            b'B' => {
                let (appends, looks_up) = self.statements.get(frame.text(1)).copied().unwrap_or_default();
                self.appended |= appends;
                self.looked_up |= looks_up;
            }
            b'Q' if frame.text(0).starts_with("begin") => self.explicit = true,
            _ => {}
        }
    }

    /// Whether `frame` begins a transaction that writes.
    pub fn begins(&self, frame: &Frame) -> bool {
        match frame.kind {
            b'Q' => frame.text(0).starts_with("begin; ") && frame.text(0).contains("lock_timeout"),
            b'B' => !self.explicit && self.appended,
            _ => false,
        }
    }

    /// Whether `frame` begins the reading of a head.
    pub fn looks(&self, frame: &Frame) -> bool {
        frame.kind == b'Q' && frame.text(0).starts_with("begin isolation level")
    }

    /// Whether `frame` commits what was appended.
    pub fn commits(&self, frame: &Frame) -> bool {
        match frame.kind {
            b'Q' => self.appended && frame.text(0) == "commit",
            b'S' => self.appended && !self.explicit,
            _ => false,
        }
    }

    /// Whether the statement that appends is not yet answered, in an explicit transaction.
    pub fn in_statement(&self) -> bool {
        self.explicit && self.appended && !self.committing
    }

    /// Notes what the server says.
    pub fn server(&mut self, frame: &Frame) {
        if frame.kind != b'Z' {
            return;
        }
        self.looked_up = false;
        // Idle: whatever there was is over.
        if frame.bytes.last() == Some(&b'I') {
            (self.explicit, self.appended, self.committing) = (false, false, false);
        }
    }
}
