//! One play of a case: a port of its own, what was seen on it, and the way to close its connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::certificates::Certificates;
use super::connection;
use super::script::{Case, Listen, Script, Step};

/// How long a connection may take to end once a play is over.
const END: Duration = Duration::from_secs(5);

/// What is known of one call, or of one message of a stream.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The RPC's name; `EnforceStream.message` for a message of a stream.
    pub rpc: String,
    /// When it was whole.
    pub at: Instant,
    pub headers: BTreeMap<String, String>,
    pub message: Value,
}

pub struct Play {
    pub script: Arc<Script>,
    pub case: Case,
    pub way: String,
    pub address: SocketAddr,
    pub seen: Mutex<Vec<Seen>>,
    pub connections: AtomicUsize,
    calls: Mutex<BTreeMap<String, usize>>,
    /// Which generation of connections is welcome; older ones close.
    generation: watch::Sender<usize>,
    /// Connections of generations before this one are about to close.
    doomed: AtomicUsize,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Keeps the port of a server that is down.
    kept: Mutex<Option<TcpSocket>>,
}

impl Play {
    pub async fn start(script: Arc<Script>, certificates: &Certificates, case: Case, way: &str) -> Arc<Self> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let listen = case.server.listen;
        let acceptor = certificates.acceptor(listen);
        let play = Arc::new(Self {
            script,
            case,
            way: way.to_owned(),
            address,
            seen: Mutex::default(),
            connections: AtomicUsize::new(0),
            calls: Mutex::default(),
            generation: watch::Sender::new(0),
            doomed: AtomicUsize::new(0),
            accepting: Mutex::default(),
            kept: Mutex::default(),
        });
        if listen == Listen::Down {
            // Bound and not listening: the kernel refuses connections, and nobody else gets the port.
            *play.kept.lock().unwrap() = Some(socket);
            return play;
        }
        let listener = socket.listen(128).unwrap();
        let task = tokio::spawn(Arc::clone(&play).accept(listener, acceptor));
        *play.accepting.lock().unwrap() = Some(task);
        play
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, acceptor: Option<tokio_rustls::TlsAcceptor>) {
        while let Ok((socket, _)) = listener.accept().await {
            self.connections.fetch_add(1, Ordering::SeqCst);
            let play = Arc::clone(&self);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                match play.case.server.listen {
                    Listen::Slams => drop(socket),
                    Listen::Silent => play.be_silent(socket).await,
                    Listen::Web => play.be_a_web_server(socket).await,
                    Listen::Plain
                    | Listen::Tls
                    | Listen::TlsExpired
                    | Listen::TlsWrongHost
                    | Listen::TlsUnknown
                    | Listen::Mutual
                    | Listen::Down => match acceptor {
                        // A client that refuses the certificate ends the handshake.
                        Some(acceptor) => {
                            if let Ok(socket) = acceptor.accept(socket).await {
                                connection::serve(play, socket).await;
                            }
                        }
                        None => connection::serve(play, socket).await,
                    },
                }
            });
        }
    }

    async fn be_silent(&self, mut socket: TcpStream) {
        let mut gone = self.generation.subscribe();
        let mut bytes = [0; 1_024];
        loop {
            tokio::select! {
                read = socket.read(&mut bytes) => if !matches!(read, Ok(read) if read > 0) { return },
                _ = gone.changed() => return,
            }
        }
    }

    async fn be_a_web_server(&self, mut socket: TcpStream) {
        let mut bytes = [0; 1_024];
        if socket.read(&mut bytes).await.is_ok() {
            let answer = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            socket.write_all(answer).await.ok();
        }
    }

    /// What is to be done with the next call of `rpc`.
    pub fn step(&self, rpc: &str) -> Option<Step> {
        let steps = self.case.server.calls.get(rpc)?;
        let mut calls = self.calls.lock().unwrap();
        let count = calls.entry(rpc.to_owned()).or_default();
        let step = steps.get(*count).or_else(|| steps.last()).cloned();
        *count += 1;
        step
    }

    pub fn see(&self, rpc: &str, headers: &http::HeaderMap, message: Value) {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        self.seen.lock().unwrap().push(Seen { rpc: rpc.to_owned(), at: Instant::now(), headers, message });
    }

    /// Changes when the connections there are must close.
    pub fn generation(&self) -> watch::Receiver<usize> {
        self.generation.subscribe()
    }

    /// Says that the connections of this generation are about to close, so that none of their calls is answered.
    pub fn doom(&self, generation: usize) {
        self.doomed.fetch_max(generation + 1, Ordering::SeqCst);
    }

    pub fn is_doomed(&self, generation: usize) -> bool {
        self.doomed.load(Ordering::SeqCst) > generation
    }

    /// Closes every connection; new ones are welcome.
    pub fn restart(&self) {
        self.generation.send_modify(|number| *number += 1);
    }

    /// Closes the port and every connection.
    pub async fn end(&self) {
        let task = self.accepting.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            tokio::time::timeout(END, task).await.ok();
        }
        self.kept.lock().unwrap().take();
        self.restart();
    }
}
