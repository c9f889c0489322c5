//! `jackfield config`: the schema, what took effect, and what is known about each model.

use clap::Subcommand;
use serde_json::{Value, json};

use jackfield_core::catalogue::{Capability, TokenPrice};
use jackfield_core::config::{self, Config, Origin, ResolvedModel};

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
    /// List every model with its price, window and abilities, and where each figure comes from
    Models {
        #[command(flatten)]
        config: ConfigArg,
        /// Print the list as JSON
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
        ConfigCommand::Models { config, json } => {
            let config = config.load()?;
            out::note(&format!("configuration: {}", config.source()));
            match json {
                true => {
                    let models: Vec<Value> = config.models().map(|model| model.describe()).collect();
                    out::line(&format!("{:#}", json!({ "models": models })))
                }
                false => show_models(&config),
            }
        }
    }
}

fn show_models(config: &Config) -> Outcome {
    let mut models = config.models().peekable();
    if models.peek().is_none() {
        return out::line(&"no model is declared or referred to");
    }
    let mut table = out::table(&[
        "name",
        "provider",
        "id",
        "USD per M in",
        "out",
        "cached",
        "context",
        "max output",
        "capabilities",
    ]);
    for model in models {
        table.add_row(row(model));
    }
    out::line(&table)?;
    out::line(&"* from the built-in catalogue; `-`: not known")
}

fn row(model: &ResolvedModel) -> [String; 9] {
    let origins = model.origins;
    let price = |of: Option<TokenPrice>| told(of, origins.price);
    let abilities = |of: &[Capability]| match of {
        [] => "none".to_owned(),
        of => of.iter().map(|capability| capability.name()).collect::<Vec<_>>().join(", "),
    };
    [
        model.name.clone(),
        model.provider.clone(),
        model.id.clone(),
        price(model.price.map(|price| price.input)),
        price(model.price.map(|price| price.output)),
        price(model.price.and_then(|price| price.cached_input)),
        told(model.context, origins.context),
        told(model.max_output, origins.max_output),
        told(origins.capabilities.map(|_| abilities(&model.capabilities)), origins.capabilities),
    ]
}

/// A figure with its mark.
fn told(figure: Option<impl ToString>, origin: Option<Origin>) -> String {
    let mark = if origin == Some(Origin::Catalogue) { " *" } else { "" };
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{}{mark}", figure.to_string()))
}
