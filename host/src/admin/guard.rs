//! Who may ask the admin port: whoever has the token, by a name that is the port's own.
//!
//! The name guards a browser on this machine: a page whose domain is made to resolve to this address (DNS
//! rebinding) still sends its own domain as the `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Response};
use axum::middleware::Next;

use jackfield_core::base::excerpt;
use jackfield_core::config::Admin as Settings;
use jackfield_core::contract::{Fault, FaultKind};

use super::{Admin, refuse};
use crate::http::auth;

/// Lets a request through, or answers for it.
pub(super) async fn check(State(admin): State<Arc<Admin>>, request: Request, next: Next) -> Response<Body> {
    let verdict = {
        let world = admin.world.load();
        let settings = world.config().server().admin();
        check_host(&request, admin.address, settings.hosts()).and_then(|()| check_token(&request, settings))
    };
    match verdict {
        Ok(()) => next.run(request).await,
        Err(fault) => {
            let unauthenticated = fault.kind == FaultKind::InvalidToken;
            let mut response = refuse(fault);
            if unauthenticated {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

fn check_token(request: &Request, settings: &Settings) -> Result<(), Fault> {
    let invalid = |message: &str| Err(Fault::new(FaultKind::InvalidToken, message));
    let Some(value) = request.headers().get(AUTHORIZATION) else {
        return invalid("no token: send 'Authorization: Bearer TOKEN' with the gateway's server.admin_token");
    };
    match auth::bearer(value) {
        None => invalid("the Authorization header is not 'Bearer TOKEN'"),
        Some(token) if settings.admits(token) => Ok(()),
        Some(_) => invalid("the token is not the gateway's server.admin_token"),
    }
}

/// Every name that the request gives the port has to be its own: the `Host`, of which there is one, and that of an
/// absolute target.
fn check_host(request: &Request, address: IpAddr, hosts: &[String]) -> Result<(), Fault> {
    let mut named = request.headers().get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().unwrap_or("?"),
        (None, _) => return Err(Fault::new(FaultKind::HostNotAllowed, "no Host header: send one")),
        (Some(_), Some(_)) => {
            return Err(Fault::new(FaultKind::HostNotAllowed, "more than one Host header: send one"));
        }
    };
    let target = request.uri().authority().map(Authority::as_str);
    match [Some(host), target].into_iter().flatten().find(|name| !is_ours(name, address, hosts)) {
        None => Ok(()),
        Some(name) => {
            let shown = excerpt(name, 128);
            let message = format!(
                "the Host '{shown}' is not the admin port's: ask {address} or localhost, or add the name to \
                 server.admin_hosts"
            );
            Err(Fault::new(FaultKind::HostNotAllowed, message))
        }
    }
}

/// Whether a host, with or without a port, is the listen address, this machine, or one of the configured names.
/// Ports are not looked at: they change where one is forwarded to another.
fn is_ours(text: &str, address: IpAddr, hosts: &[String]) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    match name.parse::<IpAddr>() {
        Ok(ip) => {
            let configured = || hosts.iter().any(|host| host.parse() == Ok(ip));
            ip == address || ip.to_canonical().is_loopback() || configured()
        }
        // A name with its root dot is the same name.
        Err(_) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            name == "localhost" || hosts.iter().any(|host| host.strip_suffix('.').unwrap_or(host) == name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_our_own_are_ours() {
        let hosts = ["gateway.internal".to_owned(), "10.0.0.7".to_owned(), "fe80::1".to_owned()];
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for ours in [
            "192.0.2.1:8788",
            "192.0.2.1",
            "localhost",
            "LocalHost:9000",
            "localhost.:1",
            "127.0.0.1:8788",
            "127.9.9.9",
            "[::1]:8788",
            "[::ffff:127.0.0.1]",
            "Gateway.Internal:8788",
            "10.0.0.7",
            "[fe80::1]:1",
        ] {
            assert!(is_ours(ours, address, &hosts), "{ours}");
        }
        for not in [
            "",
            "evil.example",
            "evil.example:8788",
            "localhost.evil.example",
            "localhost@evil.example",
            "notlocalhost",
            "192.0.2.2",
            "0.0.0.0",
            "[fe80::2]",
            "internal",
            "gateway.internal.evil.example",
            "127.1",
            "localhost evil",
        ] {
            assert!(!is_ours(not, address, &hosts), "{not}");
        }
    }
}
