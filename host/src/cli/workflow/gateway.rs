//! Which gateway is asked, and in whose name.

use std::net::SocketAddr;

use clap::Args;

use crate::cli::client::Client;
use crate::cli::{ConfigArg, Failed};

/// The gateway to ask.
#[derive(Args)]
pub(super) struct GatewayArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Ask the gateway at this address [default: `server.listen` of the configuration]
    #[arg(long, value_name = "ADDRESS")]
    at: Option<SocketAddr>,
    /// A key of that gateway, where it wants one
    #[arg(long, env = "JACKFIELD_KEY", hide_env_values = true, value_name = "KEY")]
    key: Option<String>,
}

impl GatewayArgs {
    /// A client for it.
    pub(super) fn client(&self) -> Result<Client, Failed> {
        let at = match self.at {
            Some(at) => at,
            None => self.config.load()?.server().listen(),
        };
        Ok(Client::new(at).with_key(self.key.clone()))
    }
}
