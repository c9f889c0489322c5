//! What an expression's names stand for. Values are shared, never copied; a loop's variables lie in a scope of their own
//! over the one outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// What a step's output is called: `plan.output`.
const OUTPUT: &str = "output";

/// Names and their values.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    own: BTreeMap<Arc<str>, Arc<Value>>,
    outer: Option<Arc<Scope>>,
}

impl Scope {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// No names of its own, and those of `outer`.
    pub fn inside(outer: Arc<Self>) -> Self {
        Self { own: BTreeMap::new(), outer: Some(outer) }
    }

    /// Gives a name its value. One that was there in this scope is replaced; one outside is hidden.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: impl Into<Arc<Value>>) {
        self.own.insert(name.into(), value.into());
    }

    /// Gives a step its output: `STEP.output` is this value.
    pub fn insert_output(&mut self, step: impl Into<Arc<str>>, output: Value) {
        let members = Map::from_iter([(OUTPUT.to_owned(), output)]);
        self.insert(step, Value::Object(members));
    }

    /// What a name stands for.
    pub fn get(&self, name: &str) -> Option<&Arc<Value>> {
        let mut scope = self;
        loop {
            if let Some(value) = scope.own.get(name) {
                return Some(value);
            }
            scope = scope.outer.as_ref()?;
        }
    }
}
