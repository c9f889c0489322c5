//! `server.admin`, `server.admin_token` and `server.admin_hosts`: the port for whoever runs the gateway. It is
//! open only behind a token, of which nothing but a digest is kept.

use std::net::SocketAddr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::findings::Located;
use super::pointer::Pointer;
use super::server::listen_hint;

/// The address the admin port has when nothing is said.
pub(crate) const DEFAULT_ADMIN: &str = "127.0.0.1:8788";
/// Tokens shorter than this can be guessed.
const MIN_TOKEN: usize = 16;
/// The longest name of a host, as DNS has it.
const MAX_HOST: usize = 253;

/// The admin port, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Admin {
    listen: SocketAddr,
    token: Option<Token>,
    hosts: Vec<String>,
}

/// A token's SHA-256.
#[derive(Clone, PartialEq)]
struct Token([u8; 32]);

/// The keys as they are written.
pub(crate) struct RawAdmin<'a> {
    pub(crate) listen: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    pub(crate) hosts: &'a [String],
}

impl Admin {
    /// Checks the keys. `api` is where the API listens.
    pub(crate) fn check(raw: &RawAdmin<'_>, api: SocketAddr, found: &mut Located<'_>) -> Self {
        let server = Pointer::root().key("server");
        let at = server.key("admin");
        let text = raw.listen.unwrap_or(DEFAULT_ADMIN);
        let listen = text.parse().unwrap_or_else(|_| {
            let message = format!("`{text}` is not an address and port");
            found.fault(&at, message, listen_hint(text, DEFAULT_ADMIN));
            SocketAddr::from(([127, 0, 0, 1], 0))
        });
        let token = raw.token.filter(|token| !token.is_empty()).map(|token| {
            check_token(token, &server.key("admin_token"), found);
            Token(Sha256::digest(token.as_bytes()).into())
        });
        if token.is_none() {
            warn_closed(raw, &server, found);
        } else if listen == api && listen.port() != 0 {
            let message = format!("`server.admin` and `server.listen` are both {listen}");
            let hint = format!("give each a port of its own, as in `admin: {DEFAULT_ADMIN}`");
            found.clash(&at, &server.key("listen"), "the API listens here", message, &hint);
        }
        for (index, host) in raw.hosts.iter().enumerate() {
            check_host(host, &server.key("admin_hosts").index(index), found);
        }
        Self { listen, token, hosts: raw.hosts.iter().map(|host| host.to_ascii_lowercase()).collect() }
    }

    /// Where the admin port listens; `None` while it is closed for want of a token. Port 0 lets the system choose.
    pub fn listen(&self) -> Option<SocketAddr> {
        self.token.is_some().then_some(self.listen)
    }

    /// Whether this is the token. Takes the same time whether or not it is nearly right, because only digests
    /// are compared, and those whole.
    pub fn admits(&self, presented: &str) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let differing =
            |Token(token): &Token| token.iter().zip(presented).fold(0, |sum, (a, b)| sum | (a ^ b));
        self.token.as_ref().is_some_and(|token| differing(token) == 0)
    }

    /// Names under which the port may be asked, besides its own address and this machine's; in lower case.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The keys as they took effect, put into the section's.
    pub(crate) fn show_in(&self, server: &mut Value) {
        server["admin"] = json!(self.listen());
        if self.token.is_some() {
            server["admin_token"] = json!("***");
        }
        if !self.hosts.is_empty() {
            server["admin_hosts"] = json!(self.hosts);
        }
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Says why nothing listens, to who wrote something that expects it.
fn warn_closed(raw: &RawAdmin<'_>, server: &Pointer, found: &mut Located<'_>) {
    let hint = "set `server.admin_token` to at least 16 characters, best as \"${JACKFIELD_ADMIN_TOKEN}\"; \
                make them with `openssl rand -hex 24`";
    if raw.token.is_some() {
        found.warn(&server.key("admin_token"), "the admin port stays closed: its token is empty", hint);
    } else if raw.listen.is_some() {
        found.warn(&server.key("admin"), "the admin port stays closed: it has no token", hint);
    }
}

fn check_token(token: &str, at: &Pointer, found: &mut Located<'_>) {
    let count = token.chars().count();
    if count < MIN_TOKEN {
        let message = format!("the token has {count} characters; it needs at least {MIN_TOKEN}");
        found.fault(at, message, "make one with `openssl rand -hex 24`");
    } else if !token.bytes().all(|b| b.is_ascii_graphic()) {
        let hint = "use visible ASCII without spaces; check the variable it comes from for a line end";
        found.fault(at, "the token cannot be sent in a header", hint);
    }
}

fn check_host(host: &str, at: &Pointer, found: &mut Located<'_>) {
    let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_name = !host.is_empty() && host.len() <= MAX_HOST && host.chars().all(name);
    if !is_name && host.parse::<std::net::Ipv6Addr>().is_err() {
        let hint = "write the name alone, without scheme and port, as in `gateway.internal`";
        found.fault(at, format!("`{}` is not the name of a host", host.escape_debug()), hint);
    }
}
