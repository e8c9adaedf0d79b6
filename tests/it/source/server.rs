//! A small HTTP(S) server in front of the real `git http-backend` (CGI, RFC 3875).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How the server behaves.
#[derive(Default, Clone)]
pub(super) struct Behaviour {
    /// `Authorization` header that is asked for.
    pub(super) authorization: Option<String>,
    /// Certificate chain and key in DER: speak TLS.
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// Break off the response of a fetch after so many bytes.
    pub(super) cut_after: Option<usize>,
}

/// A running server; ends with the value.
pub(super) struct GitServer {
    pub(super) url: String,
    pub(super) requests: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    address: std::net::SocketAddr,
}

impl GitServer {
    /// Serves every repository under a folder.
    pub(super) fn start(root: &Path, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if behaviour.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", address.port());
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (root, stopped, counted) = (root.to_path_buf(), Arc::clone(&stop), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (root, behaviour, counted) = (root.clone(), behaviour.clone(), Arc::clone(&counted));
                std::thread::spawn(move || {
                    // A client that goes away mid-request is part of the tests.
                    let _ = serve(stream, &root, &behaviour, &counted);
                });
            }
        });
        Self { url, requests, stop, address }
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, root: &Path, behaviour: &Behaviour, counted: &AtomicUsize) -> io::Result<()> {
    match &behaviour.tls {
        None => answer(stream, root, behaviour, counted),
        Some(config) => {
            let connection = rustls::ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            answer(rustls::StreamOwned::new(connection, stream), root, behaviour, counted)
        }
    }
}

fn answer(
    stream: impl Read + Write,
    root: &Path,
    behaviour: &Behaviour,
    counted: &AtomicUsize,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    counted.fetch_add(1, Ordering::SeqCst);
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
            None => break,
        }
    }
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let length = header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut stream = reader.into_inner();
    if behaviour.authorization.is_some() && header("authorization") != behaviour.authorization {
        return stream.write_all(
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    }
    // Plain files beside the repositories.
    if path.starts_with("/www/")
        && let Ok(bytes) = std::fs::read(root.join(path.trim_start_matches('/')))
    {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len())?;
        stream.write_all(&bytes)?;
        return stream.flush();
    }
    let out = backend(root, method, path, query, &header("content-type").unwrap_or_default(), &body)?;
    let at = out.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0);
    let (head, rest) = (String::from_utf8_lossy(&out[..at]).into_owned(), &out[(at + 4).min(out.len())..]);
    let status = head.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    let head: Vec<&str> = head.lines().filter(|l| !l.starts_with("Status:")).collect();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        head.join("\r\n"),
        rest.len()
    )?;
    match behaviour.cut_after {
        Some(cut) if path.ends_with("git-upload-pack") => stream.write_all(&rest[..cut.min(rest.len())])?,
        _ => stream.write_all(rest)?,
    }
    stream.flush()
}

fn backend(
    root: &Path,
    method: &str,
    path: &str,
    query: &str,
    content_type: &str,
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let exec = Command::new("git").arg("--exec-path").output()?;
    let program = PathBuf::from(String::from_utf8_lossy(&exec.stdout).trim()).join("git-http-backend");
    let mut child = Command::new(program)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_COUNT", "2")
        .env("GIT_CONFIG_KEY_0", "http.receivepack")
        .env("GIT_CONFIG_VALUE_0", "true")
        .env("GIT_CONFIG_KEY_1", "safe.directory")
        .env("GIT_CONFIG_VALUE_1", "*")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", content_type)
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REMOTE_USER", "test")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("piped");
    let body = body.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&body));
    let out = child.wait_with_output()?;
    let _ = writer.join();
    Ok(out.stdout)
}

/// A TLS configuration for `localhost` and the PEM text of the certificate that signs it (itself).
pub(super) fn self_signed() -> (Arc<rustls::ServerConfig>, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
    (Arc::new(config), made.cert.pem())
}
