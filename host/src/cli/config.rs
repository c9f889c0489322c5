//! `jackfield config`: the schema, and what took effect.

use clap::Subcommand;

use jackfield_core::config;

use super::{ConfigArg, Outcome, out};

#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the JSON schema of the configuration file
    Schema,
    /// Print the configuration that takes effect, defaults included, secrets hidden
    Show {
        #[command(flatten)]
        config: ConfigArg,
        /// As JSON instead of YAML
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &ConfigCommand) -> Outcome {
    match command {
        ConfigCommand::Schema => out::line(&format!("{:#}", config::schema())),
        ConfigCommand::Show { config, json } => {
            let config = config.load()?;
            out::note(&format!("configuration: {}", config.source()));
            match json {
                true => out::line(&format!("{:#}", config.to_value())),
                false => out::line(&config.show()?.trim_end()),
            }
        }
    }
}
