//! `GET /budgets`: every limit of everybody who has one and was seen, what is spent, held and left of it, and when it begins
//! anew. Amounts are dollars or tokens. Bounded by the ledger's accounts.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

use jackfield_store::{LimitStatus, show_time};

use super::Admin;
use crate::http::respond;

/// Every limit.
pub(super) async fn list(State(admin): State<Arc<Admin>>) -> Response<Body> {
    let world = admin.world.load_full();
    let budgets: Vec<Value> = world.store().ledger().limits().iter().map(shown).collect();
    let body = json!({ "state": world.store().path(), "budgets": budgets });
    respond::json(StatusCode::OK, body.to_string())
}

fn shown(limit: &LimitStatus) -> Value {
    let amount = |amount| match limit.unit {
        jackfield_store::LimitUnit::Usd => json!(limit.unit.amount(amount)),
        jackfield_store::LimitUnit::Tokens => json!(amount),
    };
    json!({
        "scope": limit.scope.kind(),
        "name": limit.scope.name(),
        "window": limit.window.name(),
        "unit": limit.unit.name(),
        "limit": amount(limit.limit),
        "spent": amount(limit.spent),
        "reserved": amount(limit.reserved),
        "left": amount(limit.left),
        "resets_at": show_time(limit.resets_at),
    })
}
