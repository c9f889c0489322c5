//! The figures of a model: what configuration says, and for the rest what the built-in catalogue says about the
//! vendor's model of that id. Each figure comes whole from one of the two: half a price from each would be nobody's price.

use serde_json::{Value, json};

use crate::catalogue::{Capability, Price, Vendor, facts};

use super::models::ResolvedModel;

/// Where a figure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The configuration says it.
    Config,
    /// The built-in catalogue knows it.
    Catalogue,
}

/// Where a model's figures come from. `None`: nobody knows the figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origins {
    /// What it costs.
    pub price: Option<Origin>,
    /// The longest conversation it takes.
    pub context: Option<Origin>,
    /// The longest answer it gives.
    pub max_output: Option<Origin>,
    /// What it can do.
    pub capabilities: Option<Origin>,
}

/// What configuration says about a model, and then what is known about it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) price: Option<Price>,
    pub(crate) context: Option<u64>,
    pub(crate) max_output: Option<u64>,
    /// An empty list says that it can do nothing of this; `None` says nothing.
    pub(crate) capabilities: Option<Vec<Capability>>,
}

impl Origin {
    /// The name that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Catalogue => "catalogue",
        }
    }
}

impl Figures {
    /// Fills up what is not written from the catalogue, and says where each comes from.
    pub(crate) fn fill(self, vendor: Option<Vendor>, id: &str) -> (Self, Origins) {
        let known = vendor.and_then(|vendor| facts(vendor, id));
        let known = known.map(|known| Self {
            price: known.price,
            context: known.context,
            max_output: known.max_output,
            capabilities: Some(known.capabilities),
        });
        let known = known.unwrap_or_default();
        let (price, price_from) = either(self.price, known.price);
        let (context, context_from) = either(self.context, known.context);
        let (max_output, max_output_from) = either(self.max_output, known.max_output);
        let (capabilities, capabilities_from) = either(self.capabilities, known.capabilities);
        let origins = Origins {
            price: price_from,
            context: context_from,
            max_output: max_output_from,
            capabilities: capabilities_from,
        };
        (Self { price, context, max_output, capabilities }, origins)
    }
}

fn either<T>(written: Option<T>, known: Option<T>) -> (Option<T>, Option<Origin>) {
    match (written, known) {
        (Some(written), _) => (Some(written), Some(Origin::Config)),
        (None, Some(known)) => (Some(known), Some(Origin::Catalogue)),
        (None, None) => (None, None),
    }
}

/// A price as it is written in configuration.
pub(crate) fn show_price(price: Price) -> Value {
    let mut shown = json!({ "input": price.input.usd_per_mtok(), "output": price.output.usd_per_mtok() });
    for (name, price) in [("cached_input", price.cached_input), ("cache_write", price.cache_write)] {
        if let Some(price) = price {
            shown[name] = json!(price.usd_per_mtok());
        }
    }
    shown
}

impl ResolvedModel {
    /// What is known about the model and who says it, for people who run the gateway: each figure that is known with
    /// its `from`, `config` or `catalogue`; `null` for one that is not.
    pub fn describe(&self) -> Value {
        let Origins { price, context, max_output, capabilities } = self.origins;
        let told = |origin: Option<Origin>, mut figure: Value| {
            origin.map(|origin| {
                figure["from"] = json!(origin.name());
                figure
            })
        };
        json!({
            "name": self.name,
            "provider": self.provider,
            "id": self.id,
            "tags": self.tags,
            "price": told(price, self.price.map_or(Value::Null, show_price)),
            "context": told(context, json!({ "tokens": self.context })),
            "max_output": told(max_output, json!({ "tokens": self.max_output })),
            "capabilities": told(capabilities, json!({ "names": self.capabilities })),
        })
    }
}
