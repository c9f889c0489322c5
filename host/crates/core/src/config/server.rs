//! `server:` where the gateway listens, and what one client may cost it.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::admin::{Admin, RawAdmin};
use super::findings::Located;
use super::pointer::Pointer;
use super::units::{Count, Period, Size};

/// The address the API has when nothing is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:8787";

/// Where the gateway listens, and what one client may cost it.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Server")]
pub(crate) struct RawServer {
    /// Address and port of the API. Anything but a loopback address needs `keys`, or `auth: none`.
    listen: String,
    /// Address and port for whoever runs the gateway: plugins and metrics. 127.0.0.1:8788 if nothing is said; closed
    /// without `admin_token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<String>,
    /// What every request to `admin` has to present as a bearer token: at least 16 characters, best as
    /// `${VARIABLE}`. Left out or empty: nothing listens at `admin`.
    #[serde(skip_serializing)]
    admin_token: Option<String>,
    /// Names of hosts, without ports, under which `admin` may be asked, besides its address and this machine's
    /// own names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    admin_hosts: Vec<String>,
    /// How long open requests may take to finish when the gateway stops.
    drain: Period,
    /// `none` lets everybody in who reaches the address. Leave it out otherwise: with `keys`, a key is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth>,
    /// What one client may cost.
    limits: RawLimits,
}

/// The ways to say who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Auth {
    /// Everybody may.
    None,
}

/// What one client may cost.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ServerLimits")]
struct RawLimits {
    /// The largest request body.
    body: Size,
    /// The largest request head.
    headers: Size,
    /// How long a client may take to send the head.
    header_timeout: Period,
    /// How long a client may take to send the body.
    body_timeout: Period,
    /// How long a connection may stay open with nothing on it.
    idle: Period,
    /// How long one request may take in all, every attempt included.
    request_timeout: Period,
    /// How many connections may be open at once.
    connections: Count,
    /// How many requests may be under way at once.
    in_flight: Count,
}

impl Default for RawServer {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN.into(),
            admin: None,
            admin_token: None,
            admin_hosts: Vec::new(),
            drain: Period::from_secs(30),
            auth: None,
            limits: RawLimits::default(),
        }
    }
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            body: Size::from_bytes(32 << 20),
            headers: Size::from_bytes(64 << 10),
            header_timeout: Period::from_secs(10),
            body_timeout: Period::from_secs(30),
            idle: Period::from_secs(75),
            request_timeout: Period::from_secs(600),
            connections: Count::new(4_096),
            in_flight: Count::new(1_024),
        }
    }
}

/// Where the gateway listens, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    listen: SocketAddr,
    admin: Admin,
    drain: Duration,
    open: bool,
    limits: ServerLimits,
}

/// What one client may cost. Every duration and count is above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// The largest request body, in bytes.
    pub body: usize,
    /// The largest request head, in bytes.
    pub headers: usize,
    /// How long a client may take to send the head.
    pub header_timeout: Duration,
    /// How long a client may take to send the body.
    pub body_timeout: Duration,
    /// How long a connection may stay open with nothing on it.
    pub idle: Duration,
    /// How long one request may take in all.
    pub request_timeout: Duration,
    /// How many connections may be open at once.
    pub connections: usize,
    /// How many requests may be under way at once.
    pub in_flight: usize,
}

/// Why an address may not be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` can be reached from other machines, and no `keys` guard it")]
pub struct OpenListen(SocketAddr);

/// What to do about [`OpenListen`].
pub(crate) const OPEN_LISTEN_HINT: &str =
    "declare `keys`, listen on 127.0.0.1, or write `auth: none` under `server` to let everybody in";

impl Server {
    /// Checks the section. `has_keys` says whether client keys are declared.
    pub(crate) fn check(raw: &RawServer, has_keys: bool, found: &mut Located<'_>) -> Self {
        let at = Pointer::root().key("server");
        let open = raw.auth == Some(Auth::None);
        if open && has_keys {
            found.fault(
                &at.key("auth"),
                "`auth: none` lets everybody in, but `keys` are declared",
                "remove `auth: none` to ask for a key, or remove `keys`",
            );
        }
        let listen = raw.listen.parse().unwrap_or_else(|_| {
            let hint = listen_hint(&raw.listen, DEFAULT_LISTEN);
            found.fault(&at.key("listen"), format!("`{}` is not an address and port", raw.listen), hint);
            SocketAddr::from(([127, 0, 0, 1], 0))
        });
        let admin = RawAdmin {
            listen: raw.admin.as_deref(),
            token: raw.admin_token.as_deref(),
            hosts: &raw.admin_hosts,
        };
        let admin = Admin::check(&admin, listen, found);
        let limits = raw.limits.check(&at, found);
        let server = Self { listen, admin, drain: raw.drain.get(), open, limits };
        if let Err(refused) = server.may_listen(listen, has_keys) {
            found.fault(&at.key("listen"), refused.to_string(), OPEN_LISTEN_HINT);
        }
        server
    }

    /// Whether this address may be listened on: a loopback address always, any other only behind
    /// keys or after `auth: none` was written.
    pub(crate) fn may_listen(&self, address: SocketAddr, has_keys: bool) -> Result<(), OpenListen> {
        if address.ip().to_canonical().is_loopback() || has_keys || self.open {
            return Ok(());
        }
        Err(OpenListen(address))
    }

    pub(crate) fn set_listen(&mut self, address: SocketAddr) {
        self.listen = address;
    }

    /// Where the API listens. Port 0 lets the system choose.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The port for whoever runs the gateway.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// How long open requests may take to finish when the gateway stops.
    pub fn drain(&self) -> Duration {
        self.drain
    }

    /// What one client may cost.
    pub fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// The section as it took effect.
    pub(crate) fn show(&self) -> Value {
        let limits = &self.limits;
        let mut shown = json!({
            "listen": self.listen,
            "drain": Period::from(self.drain),
            "limits": {
                "body": Size::from_bytes(limits.body as u64),
                "headers": Size::from_bytes(limits.headers as u64),
                "header_timeout": Period::from(limits.header_timeout),
                "body_timeout": Period::from(limits.body_timeout),
                "idle": Period::from(limits.idle),
                "request_timeout": Period::from(limits.request_timeout),
                "connections": limits.connections,
                "in_flight": limits.in_flight,
            },
        });
        self.admin.show_in(&mut shown);
        if self.open {
            shown["auth"] = json!("none");
        }
        shown
    }
}

impl RawLimits {
    fn check(&self, server: &Pointer, found: &mut Located<'_>) -> ServerLimits {
        let at = server.key("limits");
        ServerLimits {
            body: found.size(&at.key("body"), self.body),
            headers: found.size(&at.key("headers"), self.headers),
            header_timeout: found.period(&at.key("header_timeout"), self.header_timeout),
            body_timeout: found.period(&at.key("body_timeout"), self.body_timeout),
            idle: found.period(&at.key("idle"), self.idle),
            request_timeout: found.period(&at.key("request_timeout"), self.request_timeout),
            connections: found.count(&at.key("connections"), self.connections),
            in_flight: found.count(&at.key("in_flight"), self.in_flight),
        }
    }
}

/// What was probably meant by an address that is none. `usual` is the address it has when nothing is said.
pub(crate) fn listen_hint(text: &str, usual: &str) -> String {
    let usual_port = usual.rsplit_once(':').map_or("8787", |(_, port)| port);
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port = if port.parse::<u16>().is_ok() { port } else { usual_port };
    match host {
        "localhost" => format!("write the address itself: 127.0.0.1:{port}"),
        "" | "*" => {
            format!("write 127.0.0.1:{port} for this machine only, 0.0.0.0:{port} for all its addresses")
        }
        _ if host.parse::<std::net::IpAddr>().is_ok() && !text.contains("]:") => {
            format!("add a port from 0 to 65535, as in {usual} or [::1]:{usual_port}")
        }
        _ => format!("write an IP address and a port, as in {usual} or [::1]:{usual_port}"),
    }
}
