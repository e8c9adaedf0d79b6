//! A proxy in front of the real API server that fails on request: gone, answering 429 or 500, cutting connections.
//!
//! It ends the client's TLS with the server's own certificate and speaks to the server as the client's user. HTTP/1.1
//! without pipelining: while a request is read, no response is under way, so that the proxy may answer it itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What the proxy does with what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Passes everything on.
    Pass,
    /// Closes every connection, those that are open and those that come.
    Gone,
    /// Answers every second request itself with this status.
    Answer(u16),
    /// Passes every second request on and closes the connection before the response: it is carried out, the answer is lost.
    Cut,
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) injected: AtomicU64,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) counts: Arc<Counts>,
    mode: watch::Sender<Mode>,
    _runtime: tokio::runtime::Runtime,
}

struct Upstream {
    address: String,
    connector: TlsConnector,
}

impl Proxy {
    /// Before the control plane in `dir`, for the user of `kubeconfig`.
    pub(crate) fn start(dir: &Path, kubeconfig: &Path) -> Self {
        let runtime = crate::api::runtime();
        let pki = dir.join("pki");
        let chain = vec![CertificateDer::from_pem_file(pki.join("server.crt")).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(pki.join("server.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("the server's own certificate");
        let acceptor = TlsAcceptor::from(Arc::new(server));

        let text = std::fs::read_to_string(kubeconfig).expect("our own kubeconfig");
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(
                CertificateDer::from_pem_slice(&embedded(&text, "certificate-authority-data:"))
                    .expect("a certificate"),
            )
            .expect("a root");
        let chain = vec![
            CertificateDer::from_pem_slice(&embedded(&text, "client-certificate-data:"))
                .expect("a certificate"),
        ];
        let key = PrivateKeyDer::from_pem_slice(&embedded(&text, "client-key-data:")).expect("a key");
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .expect("the user's certificate");
        let address = std::fs::read_to_string(dir.join("server")).expect("the server's URL");
        let address = address.trim().trim_start_matches("https://").to_string();
        let upstream = Arc::new(Upstream { address, connector: TlsConnector::from(Arc::new(client)) });

        let (mode, watched) = watch::channel(Mode::Pass);
        let counts = Arc::new(Counts::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        runtime.spawn(accept(listener, acceptor, upstream, watched, Arc::clone(&counts)));
        Self { port, counts, mode, _runtime: runtime }
    }

    /// From now on.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

fn embedded(kubeconfig: &str, key: &str) -> Vec<u8> {
    use base64::Engine;
    let line =
        kubeconfig.lines().find(|line| line.trim().starts_with(key)).expect("certificates are embedded");
    let text = line.trim().trim_start_matches(key).trim();
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    upstream: Arc<Upstream>,
    mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        counts.connections.fetch_add(1, Ordering::Relaxed);
        if *mode.borrow() == Mode::Gone {
            continue; // dropped, which closes it
        }
        let (acceptor, upstream, mode, counts) =
            (acceptor.clone(), Arc::clone(&upstream), mode.clone(), Arc::clone(&counts));
        tokio::spawn(async move {
            let mut gone = mode.clone();
            tokio::select! {
                _ = serve(stream, acceptor, upstream, mode, counts) => {}
                _ = gone.wait_for(|mode| *mode == Mode::Gone) => {}
            }
        });
    }
}

/// Serves one connection until either side closes it; an error ends the connection, which is all that it can mean here.
async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    upstream: Arc<Upstream>,
    mode: watch::Receiver<Mode>,
    counts: Arc<Counts>,
) -> std::io::Result<()> {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    stream.set_nodelay(true)?;
    let (mut from_client, mut to_client) = tokio::io::split(acceptor.accept(stream).await?);
    let server = TcpStream::connect(&upstream.address).await?;
    server.set_nodelay(true)?;
    let name = ServerName::try_from("127.0.0.1").map_err(std::io::Error::other)?;
    let (mut from_server, mut to_server) = tokio::io::split(upstream.connector.connect(name, server).await?);
    loop {
        let Some(request) = read_request(&mut from_client, &mut from_server, &mut to_client).await? else {
            return Ok(());
        };
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let current = *mode.borrow();
        let strike = TURN.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        match current {
            Mode::Answer(status) if strike => {
                counts.injected.fetch_add(1, Ordering::Relaxed);
                to_client.write_all(failure(status).as_bytes()).await?;
                to_client.flush().await?;
            }
            Mode::Cut if strike => {
                counts.injected.fetch_add(1, Ordering::Relaxed);
                to_server.write_all(&request).await?;
                to_server.flush().await?;
                // Until the server has begun to answer, so that the request is carried out; then nobody hears of it.
                let _ = from_server.read(&mut [0; 1024]).await?;
                return Ok(());
            }
            _ => {
                to_server.write_all(&request).await?;
                to_server.flush().await?;
            }
        }
    }
}

/// Passes response bytes on until the next request is complete; none when a side has closed.
async fn read_request<S, C>(
    from_client: &mut ReadHalf<S>,
    from_server: &mut ReadHalf<C>,
    to_client: &mut WriteHalf<S>,
) -> std::io::Result<Option<Vec<u8>>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite,
    C: tokio::io::AsyncRead + tokio::io::AsyncWrite,
{
    let mut request = Vec::new();
    let (mut upward, mut downward) = (vec![0; 32 << 10], vec![0; 32 << 10]);
    loop {
        tokio::select! {
            read = from_client.read(&mut upward) => match read? {
                0 => return Ok(None),
                count => {
                    request.extend_from_slice(&upward[..count]);
                    if whole(&request) {
                        return Ok(Some(request));
                    }
                }
            },
            read = from_server.read(&mut downward) => match read? {
                0 => return Ok(None),
                count => {
                    to_client.write_all(&downward[..count]).await?;
                    to_client.flush().await?;
                }
            },
        }
    }
}

/// Head and body are there; kube always says the length of a body.
fn whole(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .and_then(|n| n.trim().parse().ok());
    request.len() >= end + 4 + length.unwrap_or(0_usize)
}

fn failure(status: u16) -> String {
    let (reason, name, extra) = match status {
        429 => ("TooManyRequests", "Too Many Requests", "Retry-After: 1\r\n"),
        _ => ("InternalError", "Internal Server Error", ""),
    };
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"injected","reason":"{reason}","code":{status}}}"#
    );
    format!(
        "HTTP/1.1 {status} {name}\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
