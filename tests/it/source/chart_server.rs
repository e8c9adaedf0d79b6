//! A static HTTP(S) server of files in memory that remembers its requests: the chart repository of the tests. And packages for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use retune::cloud::Digest;

/// How the server behaves; may change while it runs.
#[derive(Default, Clone)]
pub(crate) struct Behaviour {
    /// `Authorization` header that is asked for.
    pub(crate) authorization: Option<String>,
    /// Statuses of the next requests, before files are given.
    pub(crate) troubles: Vec<u16>,
    /// Half of the body only, for so many requests.
    pub(crate) cuts: usize,
}

#[derive(Default)]
struct Shared {
    files: BTreeMap<String, Vec<u8>>,
    behaviour: Behaviour,
    /// Path and `Authorization` of each request.
    requests: Vec<(String, Option<String>)>,
}

/// A running server; ends with the value.
pub(crate) struct ChartServer {
    pub(crate) url: String,
    shared: Arc<Mutex<Shared>>,
    stop: Arc<AtomicBool>,
    address: SocketAddr,
}

impl ChartServer {
    pub(crate) fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self::start_at("127.0.0.1:0", tls)
    }

    /// At an address that was used before.
    pub(crate) fn start_at(address: &str, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://localhost:{}", address.port());
        let (stop, shared) = (Arc::new(AtomicBool::new(false)), Arc::<Mutex<Shared>>::default());
        let (stopped, served) = (Arc::clone(&stop), Arc::clone(&shared));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (tls, served) = (tls.clone(), Arc::clone(&served));
                std::thread::spawn(move || {
                    // A client that goes away is part of the tests.
                    let _ = match tls {
                        None => answer(stream, &served),
                        Some(config) => rustls::ServerConnection::new(config)
                            .map_err(io::Error::other)
                            .and_then(|c| answer(rustls::StreamOwned::new(c, stream), &served)),
                    };
                });
            }
        });
        Self { url, shared, stop, address }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Puts a file there; the path starts with a slash.
    pub(crate) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.shared.lock().unwrap().files.insert(path.to_owned(), bytes.into());
    }

    /// The packages and an index of them.
    pub(crate) fn publish(&self, charts: &[(&str, &str, Vec<u8>)]) {
        let mut index = "apiVersion: v1\nentries:\n".to_owned();
        let mut names: Vec<&str> = charts.iter().map(|(name, ..)| *name).collect();
        names.dedup();
        for name in names {
            let _ = writeln!(index, "  {name}:");
            for (_, version, bytes) in charts.iter().filter(|(n, ..)| *n == name) {
                let digest = Digest::of(bytes).to_string();
                let digest = digest.trim_start_matches("sha256:");
                let _ = writeln!(
                    index,
                    "  - {{name: {name}, version: {version}, digest: {digest}, urls: [packages/{name}-{version}.tgz]}}"
                );
                self.put(&format!("/packages/{name}-{version}.tgz"), bytes.clone());
            }
        }
        self.put("/index.yaml", index);
    }

    /// Every file of a folder on disk.
    pub(crate) fn publish_folder(&self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            self.put(&format!("/{name}"), std::fs::read(entry.path()).unwrap());
        }
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.shared.lock().unwrap().behaviour = behaviour;
    }

    /// The requests so far, and from now on again none.
    pub(crate) fn requests(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.shared.lock().unwrap().requests)
    }
}

impl Drop for ChartServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(stream: impl Read + Write, shared: &Mutex<Shared>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let path = first.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let path = path.split('?').next().unwrap_or_default().replace("%2B", "+");
    let mut authorization = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value.trim().to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut stream = reader.into_inner();
    let mut shared = shared.lock().unwrap();
    shared.requests.push((path.clone(), authorization.clone()));
    let behaviour = &mut shared.behaviour;
    let status = if !behaviour.troubles.is_empty() {
        behaviour.troubles.remove(0)
    } else if behaviour.authorization.is_some() && behaviour.authorization != authorization {
        401
    } else {
        200
    };
    let cut = behaviour.cuts > 0;
    behaviour.cuts -= usize::from(cut);
    let body = shared.files.get(&path).cloned();
    drop(shared);
    let (status, body) = match (status, body) {
        (200, Some(body)) => (200, body),
        (200, None) => (404, Vec::new()),
        (status, _) => (status, Vec::new()),
    };
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(if cut { &body[..body.len() / 2] } else { &body })?;
    stream.flush()
}

/// A packaged chart with one ConfigMap that tells version, `note` and the value `greeting`.
pub(crate) fn package(name: &str, version: &str, note: &str) -> Vec<u8> {
    let template = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  version: {{{{ .Chart.Version | quote }}}}\n  note: {note}\n  \
         greeting: {{{{ .Values.greeting | quote }}}}\n"
    );
    let files = [
        ("Chart.yaml", format!("apiVersion: v2\nname: {name}\nversion: {version}\n")),
        ("values.yaml", "greeting: hello\n".to_owned()),
        ("templates/cm.yaml", template),
    ];
    let mut archive =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, format!("{name}/{path}"), text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}
