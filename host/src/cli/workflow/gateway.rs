//! Which gateway is asked, and in whose name.

use std::str::FromStr;

use clap::Args;
use hyper::Uri;

use crate::cli::client::Client;
use crate::cli::{ConfigArg, Failed};

/// The gateway to ask.
#[derive(Args)]
pub(super) struct GatewayArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Ask the gateway at this address or URL [default: `server.listen` of the configuration]
    #[arg(long, env = "JACKFIELD_URL", value_name = "URL")]
    at: Option<At>,
    /// A key of that gateway, where it wants one
    #[arg(long, env = "JACKFIELD_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
}

/// Where a gateway is: `host:port`, or `http://host:port` with or without a path before those of the API.
#[derive(Clone, Debug)]
struct At(String);

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = match text.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => {
                return Err(
                    "this command speaks plain HTTP: ask the gateway itself, or through a tunnel".to_owned()
                );
            }
            Some((scheme, _)) => return Err(format!("`{scheme}` is not asked: use http://HOST:PORT")),
            None => text,
        };
        let base = format!("http://{}", at.trim_end_matches('/'));
        let uri: Uri = base.parse().map_err(|error| format!("this is no URL: {error}"))?;
        match (uri.host(), uri.query()) {
            (Some(host), None) if !host.is_empty() => Ok(Self(base)),
            _ => Err("use HOST:PORT or http://HOST:PORT".to_owned()),
        }
    }
}

impl GatewayArgs {
    /// A client for it.
    pub(super) fn client(&self) -> Result<Client, Failed> {
        let client = match &self.at {
            Some(At(at)) => Client::at(at),
            None => Client::new(self.config.load()?.server().listen()),
        };
        Ok(client.with_key(self.key.clone()))
    }
}
