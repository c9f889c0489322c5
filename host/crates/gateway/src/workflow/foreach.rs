//! A step for each element of a list: side by side, one after the other, or several in one call. The output is the list of
//! theirs, in the list's order.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use jackfield_core::base::CompiledSchema;
use jackfield_core::config::{Foreach, MAX_ITEMS, StepOutput};
use jackfield_core::contract::{AnswerFormat, Fault, FaultKind};
use jackfield_core::expression::Scope;

use super::prompt;
use super::step::{Saying, StepRun, holds, kind, unfit};

/// What an element's place is called in expressions.
const INDEX: &str = "index";
/// What the outputs of the elements before are called, where they are there.
const RESULTS: &str = "results";

/// Goes through the list.
pub(super) async fn run(run: &StepRun<'_>, each: &Foreach, scope: &Arc<Scope>) -> Result<Value, Fault> {
    let items = match each.over.evaluate(scope).map_err(unfit)? {
        Value::Array(items) => items,
        other => {
            let message = format!(
                "`foreach` goes through a list, and `${{{}}}` is {}",
                each.over.as_str(),
                kind(&other)
            );
            return Err(Fault::new(FaultKind::StepFailed, message));
        }
    };
    if items.len() > MAX_ITEMS {
        let message =
            format!("`foreach` goes through {MAX_ITEMS} elements at most, and there are {}", items.len());
        return Err(Fault::new(FaultKind::StepFailed, message));
    }
    let outputs = match each.batch {
        Some(size) => batches(run, each, scope, items, size).await?,
        None if each.sequential => in_turn(run, each, scope, items).await?,
        None => side_by_side(run, each, scope, items).await?,
    };
    Ok(Value::Array(outputs))
}

async fn side_by_side(
    run: &StepRun<'_>,
    each: &Foreach,
    scope: &Arc<Scope>,
    items: Vec<Value>,
) -> Result<Vec<Value>, Fault> {
    let of = items.len();
    let calls = items.into_iter().enumerate().map(|(index, item)| async move {
        let scope = inner(each, scope, index, item, None);
        of_item(run, index, &Arc::new(scope)).await
    });
    let mut done = stream::iter(calls).buffered(each.max_parallel.max(1));
    let mut outputs = Vec::with_capacity(of);
    while let Some(output) = done.try_next().await? {
        outputs.push(output);
        run.context.board.step_goes_on(&run.name, outputs.len(), of).await;
    }
    Ok(outputs)
}

async fn in_turn(
    run: &StepRun<'_>,
    each: &Foreach,
    scope: &Arc<Scope>,
    items: Vec<Value>,
) -> Result<Vec<Value>, Fault> {
    let of = items.len();
    let mut outputs = Vec::with_capacity(of);
    for (index, item) in items.into_iter().enumerate() {
        let scope = inner(each, scope, index, item, Some(outputs.clone()));
        outputs.push(of_item(run, index, &Arc::new(scope)).await?);
        run.context.board.step_goes_on(&run.name, outputs.len(), of).await;
    }
    Ok(outputs)
}

/// One element's output; null where the step's `when` is not for it.
async fn of_item(run: &StepRun<'_>, index: usize, scope: &Arc<Scope>) -> Result<Value, Fault> {
    match &run.step.when {
        Some(when) if !holds(when, scope)? => Ok(Value::Null),
        _ => run.one(&format!("{}[{index}]", run.name), scope).await.map_err(|fault| of_which(fault, index)),
    }
}

/// Several elements in one call. Those that the step's `when` is not for are left out, and their output is null.
async fn batches(
    run: &StepRun<'_>,
    each: &Foreach,
    scope: &Arc<Scope>,
    items: Vec<Value>,
    size: usize,
) -> Result<Vec<Value>, Fault> {
    let of = items.len();
    let mut wanted = Vec::with_capacity(of);
    for (index, item) in items.into_iter().enumerate() {
        let asks = match &run.step.when {
            // Of one element, as without batches.
            Some(when) => holds(when, &inner(each, scope, index, item.clone(), None))?,
            None => true,
        };
        if asks {
            wanted.push((index, item));
        }
    }
    let mut outputs = vec![Value::Null; of];
    let calls = wanted.chunks(size.max(1)).map(|batch| async move {
        let first = batch.first().map_or(0, |(index, _)| *index);
        let items: Vec<Value> = batch.iter().map(|(_, item)| item.clone()).collect();
        let answers =
            together(run, first, items.len(), &inner(each, scope, first, Value::Array(items), None)).await;
        answers.map(|answers| (batch, answers)).map_err(|fault| of_which(fault, first))
    });
    let calls: Vec<_> = calls.collect();
    let mut done = stream::iter(calls).buffer_unordered(each.max_parallel.max(1));
    let mut answered = 0;
    while let Some((batch, answers)) = done.try_next().await? {
        for ((index, _), answer) in batch.iter().zip(answers) {
            if let Some(place) = outputs.get_mut(*index) {
                *place = answer;
            }
        }
        answered += batch.len();
        run.context.board.step_goes_on(&run.name, answered, of).await;
    }
    Ok(outputs)
}

/// One call for several elements: a JSON list of as many answers.
async fn together(run: &StepRun<'_>, first: usize, count: usize, scope: &Scope) -> Result<Vec<Value>, Fault> {
    let element = match &run.step.output {
        StepOutput::Json { schema: Some(schema) } => schema.source().clone(),
        _ => json!(true),
    };
    let schema = json!({ "type": "array", "minItems": count, "maxItems": count, "items": element });
    let schema = CompiledSchema::compile(schema).map_err(unfit)?;
    let text = prompt::message(run.step, scope)?;
    let said = Saying {
        name: format!("{}[{first}]", run.name),
        whom: &run.step.call,
        system: prompt::system(run.step, scope)?,
        text: format!(
            "{text}\n\nAnswer with nothing but a JSON list of exactly {count} elements: one for each of those above, in their order."
        ),
        format: Some(AnswerFormat::Schema(Arc::new(schema))),
        aside: false,
    };
    match run.ask(said, scope).await? {
        Value::Array(answers) if answers.len() == count => Ok(answers),
        other => {
            let found = other
                .as_array()
                .map_or_else(|| kind(&other).to_owned(), |list| format!("{} answers", list.len()));
            let message = format!("{count} elements went into one call, and {found} came back");
            Err(Fault::new(FaultKind::AnswerRejected, message))
        }
    }
}

/// What an element's expressions see.
fn inner(each: &Foreach, scope: &Arc<Scope>, index: usize, item: Value, before: Option<Vec<Value>>) -> Scope {
    let mut inner = Scope::inside(Arc::clone(scope));
    inner.insert(Arc::clone(&each.variable), item);
    inner.insert(INDEX, json!(index));
    if let Some(before) = before {
        inner.insert(RESULTS, Value::Array(before));
    }
    inner
}

fn of_which(fault: Fault, index: usize) -> Fault {
    Fault { message: format!("element {index}: {}", fault.message), upstream: None, ..fault }
}
