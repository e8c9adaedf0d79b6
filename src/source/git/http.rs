//! The client side of Git's smart HTTP protocol, version 0: what refs a server has, fetching a pack, pushing one.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use git2::Oid;
use ureq::{Agent, Body, ResponseExt as _, http::Response};

use super::credentials::Credentials;
use super::error::GitError;
use super::pkt::{self, Pkt};
use crate::source::web::{self, encrypted, host};

/// The most refs that a server may advertise.
const MAX_REFS: usize = 500_000;
/// The largest pack in bytes.
const MAX_PACK: u64 = 4 << 30;

/// A remote repository.
pub struct Remote {
    agent: Agent,
    url: String,
    credentials: Option<Credentials>,
    max_pack: u64,
}

/// What a fetch asks for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Objects that must come, with everything they need.
    pub wants: &'a [Oid],
    /// Objects that are here, with everything they need.
    pub haves: &'a [Oid],
    /// Without the commits before those that are wanted.
    pub shallow: bool,
}

/// What a server has.
#[derive(Debug)]
pub struct Advertisement {
    /// Full names and ids; peeled tags have `^{}` at the end.
    pub refs: BTreeMap<String, Oid>,
    /// What HEAD points to, if the server says so.
    pub head: Option<String>,
    /// Where the server answered from, after redirects.
    base: String,
    capabilities: Vec<String>,
}

/// Which of the two services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Fetching.
    UploadPack,
    /// Pushing.
    ReceivePack,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::UploadPack => "git-upload-pack",
            Self::ReceivePack => "git-receive-pack",
        }
    }
}

impl Advertisement {
    /// Whether the server can leave out the commits before those that are wanted.
    #[must_use]
    pub fn allows_shallow(&self) -> bool {
        self.capabilities.iter().any(|c| c == "shallow")
    }

    /// Whether the server gives this object although no ref may name it.
    #[must_use]
    pub fn gives(&self, oid: Oid) -> bool {
        let any = ["allow-reachable-sha1-in-want", "allow-any-sha1-in-want"];
        self.capabilities.iter().any(|c| any.contains(&c.as_str()))
            || self.refs.values().any(|have| *have == oid)
    }
}

impl Remote {
    /// A remote at an http(s) URL without credentials in it.
    ///
    /// # Errors
    /// If the CA file cannot be used, or credentials would go over an unencrypted connection to another machine.
    pub fn new(
        url: &str,
        credentials: Option<Credentials>,
        ca_file: Option<&Path>,
        timeout: Option<Duration>,
    ) -> Result<Self, GitError> {
        if credentials.is_some() && !encrypted(url) {
            return Err(GitError::Unsupported {
                location: url.to_owned(),
                what: "credentials are not sent over unencrypted http://; use https://".to_owned(),
            });
        }
        let agent = web::agent_within(ca_file, timeout)
            .map_err(|source| GitError::State { location: "the CA file".to_owned(), source })?;
        Ok(Self { agent, url: url.to_owned(), credentials, max_pack: MAX_PACK })
    }

    /// The same remote with a smaller limit on packs, in bytes.
    #[must_use]
    pub fn with_max_pack(self, max_pack: u64) -> Self {
        Self { max_pack, ..self }
    }

    /// Where it is, without credentials.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks which refs the server has.
    ///
    /// # Errors
    /// If the server cannot be reached, denies access or is no Git server.
    pub fn advertisement(&self, service: Service) -> Result<Advertisement, GitError> {
        let path = format!("/info/refs?service={}", service.name());
        let mut request = self.agent.get(format!("{}{path}", self.url));
        if let Some(credentials) = &self.credentials {
            request = request.header("Authorization", credentials.header());
        }
        let response = request.call().map_err(|e| self.network(&e))?;
        let base = response.get_uri().to_string();
        let base = base.strip_suffix(path.as_str()).unwrap_or(&self.url).to_owned();
        let response = self.accept(response)?;
        let smart = format!("application/x-{}-advertisement", service.name());
        if response.headers().get("content-type").and_then(|v| v.to_str().ok()) != Some(smart.as_str()) {
            return Err(GitError::NotARepository {
                location: self.url.clone(),
                reason:
                    "the server answers, but not as a Git server does (smart HTTP); is this the clone URL?"
                        .into(),
            });
        }
        let mut body = response.into_body().into_reader();
        let parsed = parse_advertisement(&mut body, service).map_err(|e| self.protocol(&e))?;
        let (refs, capabilities) = parsed;
        if capabilities.iter().any(|c| c.starts_with("object-format=") && c != "object-format=sha1") {
            return Err(GitError::Unsupported {
                location: self.url.clone(),
                what: "a SHA-256 repository; retune reads SHA-1 repositories".to_owned(),
            });
        }
        let head = capabilities.iter().find_map(|c| c.strip_prefix("symref=HEAD:")).map(str::to_owned);
        Ok(Advertisement { refs, head, base, capabilities })
    }

    /// Fetches a pack with everything that the wants need and the haves lack.
    ///
    /// # Errors
    /// If the network or the server fails, or the sink does.
    pub fn fetch(
        &self,
        from: &Advertisement,
        wanted: Wanted<'_>,
        sink: &mut dyn Write,
    ) -> Result<(), GitError> {
        let offered = ["side-band-64k", "ofs-delta", "thin-pack", "no-progress"];
        let capabilities: Vec<&str> =
            offered.into_iter().filter(|c| from.capabilities.iter().any(|have| have == c)).collect();
        if !capabilities.contains(&"side-band-64k") {
            return Err(GitError::Unsupported {
                location: self.url.clone(),
                what: "the server does not offer side-band-64k".to_owned(),
            });
        }
        let mut body = Vec::new();
        for (i, want) in wanted.wants.iter().enumerate() {
            let tail =
                if i == 0 { format!(" {} agent=retune", capabilities.join(" ")) } else { String::new() };
            pkt::write(&mut body, format!("want {want}{tail}\n").as_bytes());
        }
        if wanted.shallow {
            pkt::write(&mut body, b"deepen 1\n");
        }
        pkt::flush(&mut body);
        for have in wanted.haves {
            pkt::write(&mut body, format!("have {have}\n").as_bytes());
        }
        pkt::write(&mut body, b"done\n");
        let response = self.post(from, Service::UploadPack, body)?;
        let mut reader = response.into_body().into_reader();
        let mut total = 0;
        loop {
            let line = match pkt::read(&mut reader).map_err(|e| self.broken(&e))? {
                None => break,
                Some(Pkt::Flush) if total > 0 => break,
                Some(Pkt::Flush) => continue,
                Some(Pkt::Line(line)) => line,
            };
            match line.first() {
                Some(1) => {
                    total += line.len() as u64;
                    if total > self.max_pack {
                        let what = format!("the pack is larger than {} bytes", self.max_pack);
                        return Err(GitError::Limit { location: self.url.clone(), what });
                    }
                    sink.write_all(&line[1..])
                        .map_err(|source| GitError::State { location: self.url.clone(), source })?;
                }
                Some(3) => return Err(self.said(&line[1..])),
                _ if line.starts_with(b"ERR ") => return Err(self.said(&line[4..])),
                // Progress, ACK and NAK.
                _ => {}
            }
        }
        if total == 0 {
            return Err(self.said(b"the server sent no pack"));
        }
        Ok(())
    }

    /// Moves one ref of the server from `old` to `new`; the pack has what the server lacks.
    ///
    /// # Errors
    /// If the network fails or the server refuses.
    pub fn push(
        &self,
        to: &Advertisement,
        name: &str,
        old: Oid,
        new: Oid,
        pack: &[u8],
    ) -> Result<(), GitError> {
        let mut body = Vec::with_capacity(pack.len() + 256);
        pkt::write(&mut body, format!("{old} {new} {name}\0report-status agent=retune\n").as_bytes());
        pkt::flush(&mut body);
        body.extend_from_slice(pack);
        let response = self.post(to, Service::ReceivePack, body)?;
        let mut reader = response.into_body().into_reader();
        let mut accepted = false;
        while let Some(Pkt::Line(line)) = pkt::read(&mut reader).map_err(|e| self.broken(&e))? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            match line.split_once(' ') {
                Some(("unpack", "ok")) => {}
                Some(("ok", moved)) if moved == name => accepted = true,
                Some(("unpack" | "ng" | "ERR", reason)) => {
                    let reason = reason.strip_prefix(name).unwrap_or(reason).trim().to_owned();
                    return Err(GitError::PushRefused { location: self.url.clone(), reason });
                }
                _ => {}
            }
        }
        if accepted { Ok(()) } else { Err(self.said(b"the server did not confirm the push")) }
    }

    fn post(&self, to: &Advertisement, service: Service, body: Vec<u8>) -> Result<Response<Body>, GitError> {
        let name = service.name();
        let mut request = self
            .agent
            .post(format!("{}/{name}", to.base))
            .header("Content-Type", format!("application/x-{name}-request"))
            .header("Accept", format!("application/x-{name}-result"));
        // After a redirect to another host the credentials stay behind.
        if let Some(credentials) = &self.credentials
            && host(&to.base) == host(&self.url)
            && encrypted(&to.base)
        {
            request = request.header("Authorization", credentials.header());
        }
        self.accept(request.send(&body[..]).map_err(|e| self.network(&e))?)
    }

    fn accept(&self, response: Response<Body>) -> Result<Response<Body>, GitError> {
        let location = self.url.clone();
        let hint = match (&self.credentials, response.status().as_u16()) {
            (None, 401 | 403) => "give credentials (a file with user:password or a token)",
            (Some(_), 401) => "the credentials are not accepted",
            _ => "the credentials do not allow this",
        };
        match response.status().as_u16() {
            200 => Ok(response),
            status @ (401 | 403) => Err(GitError::Denied { location, status, hint }),
            404 | 410 => Err(GitError::NotARepository {
                location,
                reason: "HTTP 404; the URL is wrong, or the repository is private".to_owned(),
            }),
            status => Err(GitError::Protocol { location, reason: format!("HTTP {status}") }),
        }
    }

    fn network(&self, error: &ureq::Error) -> GitError {
        let location = self.url.clone();
        let reason = error.to_string();
        match error {
            ureq::Error::BadUri(_) => GitError::Invalid { what: format!("{location}: {reason}") },
            _ if reason.contains("certificate") || reason.contains("UnknownIssuer") => {
                GitError::Certificate { location, reason }
            }
            _ => GitError::Unreachable { location, reason },
        }
    }

    /// A response that breaks off is the network's fault, one that is no protocol the server's.
    fn broken(&self, error: &io::Error) -> GitError {
        match error.kind() {
            io::ErrorKind::InvalidData => self.protocol(error),
            _ => GitError::Unreachable { location: self.url.clone(), reason: error.to_string() },
        }
    }

    fn protocol(&self, error: &io::Error) -> GitError {
        GitError::Protocol { location: self.url.clone(), reason: error.to_string() }
    }

    fn said(&self, words: &[u8]) -> GitError {
        let words = String::from_utf8_lossy(words).trim().to_owned();
        GitError::Protocol { location: self.url.clone(), reason: format!("the server says: {words}") }
    }
}

type Refs = (BTreeMap<String, Oid>, Vec<String>);

fn parse_advertisement(from: &mut impl Read, service: Service) -> io::Result<Refs> {
    let bad =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the server's list of refs: {what}"));
    let (mut refs, mut capabilities) = (BTreeMap::new(), Vec::new());
    let mut flushes = 0;
    while let Some(pkt) = pkt::read(from)? {
        let Pkt::Line(line) = pkt else {
            flushes += 1;
            if flushes == 2 {
                break;
            }
            continue;
        };
        let text = std::str::from_utf8(&line).map_err(|_| bad("not UTF-8"))?.trim_end_matches('\n');
        if text.starts_with('#') {
            if text != format!("# service={}", service.name()) {
                return Err(bad("another service"));
            }
            continue;
        }
        if let Some(error) = text.strip_prefix("ERR ") {
            return Err(bad(error));
        }
        let (text, more) = text.split_once('\0').map_or((text, None), |(t, c)| (t, Some(c)));
        if let Some(more) = more {
            capabilities = more.split(' ').filter(|c| !c.is_empty()).map(str::to_owned).collect();
        }
        let (id, name) = text.split_once(' ').ok_or_else(|| bad("a line without a name"))?;
        if id.len() == 64 {
            capabilities.push("object-format=sha256".to_owned());
            break;
        }
        let oid = Oid::from_str(id).map_err(|_| bad("not an object id"))?;
        // An empty repository has one line that only carries the capabilities.
        if name != "capabilities^{}" {
            refs.insert(name.to_owned(), oid);
        }
        if refs.len() > MAX_REFS {
            return Err(bad("too many refs"));
        }
    }
    Ok((refs, capabilities))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_over_tls_or_stay_on_this_machine() {
        let new = |url: &str| Remote::new(url, Some(Credentials::basic("a", "b")), None, None).map(|_| ());
        assert!(new("https://host/x").is_ok());
        assert!(new("http://127.0.0.1:8080/x").is_ok());
        assert!(matches!(new("http://host/x"), Err(GitError::Unsupported { .. })));
        assert!(matches!(new("http://localhost.evil/x"), Err(GitError::Unsupported { .. })));
    }

    #[test]
    fn an_advertisement_gives_refs_and_capabilities() {
        let mut bytes = Vec::new();
        let id = "1".repeat(40);
        pkt::write(&mut bytes, b"# service=git-upload-pack\n");
        pkt::flush(&mut bytes);
        let first = format!("{id} HEAD\0side-band-64k symref=HEAD:refs/heads/main\n");
        pkt::write(&mut bytes, first.as_bytes());
        pkt::write(&mut bytes, format!("{id} refs/heads/main\n").as_bytes());
        pkt::flush(&mut bytes);
        let (refs, capabilities) = parse_advertisement(&mut &bytes[..], Service::UploadPack).unwrap();
        assert_eq!(refs.keys().collect::<Vec<_>>(), ["HEAD", "refs/heads/main"]);
        assert!(capabilities.contains(&"symref=HEAD:refs/heads/main".to_owned()));
        let sha256 = format!("{} HEAD\0x\n", "1".repeat(64));
        let mut bytes = Vec::new();
        pkt::write(&mut bytes, sha256.as_bytes());
        let (_, capabilities) = parse_advertisement(&mut &bytes[..], Service::UploadPack).unwrap();
        assert!(capabilities.contains(&"object-format=sha256".to_owned()));
    }
}
