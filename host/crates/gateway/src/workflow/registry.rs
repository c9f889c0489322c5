//! The runs under way: who begins one, who goes on with one that broke off, and who asks how one stands.
//!
//! Each run is a task of its own, owned here: it ends with its last step, when its client leaves (`on_disconnect: cancel`), when
//! its time is up, or when serving ends. At most `MAX_RUNS` at once. What is over is in the store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use jackfield_core::base::{DrainGuard, RunId};
use jackfield_core::config::{OnDisconnect, Workflow};
use jackfield_core::contract::{Caller, Fault, FaultKind, GivenUp, RunScope};
use jackfield_store::runs::{Ended, Standing, StoredCall, StoredRun};

use super::board::{Board, Event, Listening};
use super::context::Context;
use super::interrupted::interrupted;
use super::journal::{Journal, unavailable};
use super::listing::RunSummary;
use super::record::{RunRecord, RunStatus, now_ms};
use super::run::{Frame, FrameEnd, run_frame};
use super::tally::Tally;
use super::{late, named, wait_for};
use crate::world::World;

/// Runs under way at once.
const MAX_RUNS: usize = 256;

/// All runs under way. One for the life of the process.
#[derive(Debug, Default)]
pub struct Runs {
    live: Mutex<Live>,
}

#[derive(Debug, Default)]
struct Live {
    /// A run that is about to go on has its place before its board.
    places: HashMap<String, Option<Arc<Board>>>,
    tasks: JoinSet<()>,
    /// Serving has ended: nothing begins any more.
    ended: bool,
}

/// A run that is to begin, or to go on.
pub struct RunAsk {
    /// In whose name.
    pub caller: Caller,
    /// The headers that plugins may see.
    pub headers: http::HeaderMap,
    /// What its client wants to hear on the way.
    pub listening: Listening,
    /// Keeps shutdown waiting for it.
    pub guard: DrainGuard,
}

/// A run that has begun. Dropped, its client has left: that cancels it, unless its workflow says `on_disconnect: detach`.
#[derive(Debug)]
pub struct Started {
    id: String,
    events: mpsc::Receiver<Event>,
    leave: Option<watch::Sender<bool>>,
}

/// A run that was asked to go on.
pub enum Resumed {
    /// It goes on.
    Started(Started),
    /// It is whole already: nothing is left to do.
    Whole(Box<RunRecord>),
}

impl Started {
    /// The run's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What happens next. The last event is the run's end; nothing after it, or when it was ended from outside.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Waits for the run's end: its record, and why it has not come to its end if it has not.
    pub async fn end(mut self) -> (Option<Box<RunRecord>>, Option<Fault>) {
        loop {
            match self.next().await {
                Some(Event::RunFinished(record)) => return (Some(record), None),
                Some(Event::RunFailed { record, fault }) => return (Some(record), Some(*fault)),
                Some(_) => {}
                None => return (None, Some(ended_from_outside())),
            }
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(leave) = &self.leave {
            leave.send_replace(true);
        }
    }
}

/// What is said of a run that ended without a word.
pub(super) fn ended_from_outside() -> Fault {
    Fault::new(
        FaultKind::Stopping,
        "the gateway is stopping and could wait no longer; the run can be resumed",
    )
}

impl Runs {
    /// How many are under way.
    pub fn under_way(&self) -> usize {
        self.lock().places.len()
    }

    /// Begins a run of a workflow with an input that is checked.
    ///
    /// # Errors
    /// The caller may not run it, or too many are under way.
    pub async fn start(
        self: &Arc<Self>,
        world: Arc<World>,
        workflow: &Arc<Workflow>,
        input: Value,
        ask: RunAsk,
    ) -> Result<Started, Fault> {
        named::may_run(&ask.caller, &workflow.name)?;
        let id = RunId::generate().to_string();
        let place = Place::take(self, &id)?;
        let run = StoredRun {
            id,
            workflow: workflow.name.clone(),
            digest: workflow.digest,
            project: ask.caller.project.clone(),
            user: ask.caller.user.clone(),
            key: ask.caller.key.as_deref().map(str::to_owned),
            started_ms: now_ms(),
            input: input.to_string(),
            standing: Standing::Open,
            record: None,
        };
        place.launch(world, workflow, run, Vec::new(), input, ask).await
    }

    /// Goes on with a run that broke off. What its calls answered is not asked for again.
    ///
    /// # Errors
    /// It is not the caller's, it is under way, or its workflow has changed since.
    pub async fn resume(
        self: &Arc<Self>,
        world: Arc<World>,
        workflow: &Arc<Workflow>,
        id: &str,
        ask: RunAsk,
    ) -> Result<Resumed, Fault> {
        named::may_run(&ask.caller, &workflow.name)?;
        let unknown = || named::unknown_run(id);
        // Before it is read: what is read then stays true. Told after: whose run it is counts first.
        let place = Place::take(self, id);
        let (run, calls) = world.store().runs().find(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
        let owner = named::owner(&ask.caller);
        if !owner.owns(run.project.as_deref(), run.key.as_deref()) || run.workflow != workflow.name {
            return Err(unknown());
        }
        let place = place?;
        let record = run.record.as_deref().and_then(|record| serde_json::from_str(record).ok());
        if let (Standing::Whole, Some(record)) = (run.standing, record) {
            return Ok(Resumed::Whole(Box::new(record)));
        }
        if run.digest != workflow.digest {
            let message = format!(
                "the workflow '{}' has changed since the run {id} began: begin a new run, or put the definition back",
                workflow.name
            );
            return Err(Fault::new(FaultKind::RunConflict, message));
        }
        let input = serde_json::from_str(&run.input).unwrap_or(Value::Null);
        let run = StoredRun { standing: Standing::Open, record: None, ..run };
        place.launch(world, workflow, run, calls, input, ask).await.map(Resumed::Started)
    }

    /// How a run stands, if it is kept and this caller's.
    ///
    /// # Errors
    /// There is no such run, or the caller may not run its workflow.
    pub async fn find(&self, world: &World, id: &str, caller: &Caller) -> Result<RunRecord, Fault> {
        let unknown = || named::unknown_run(id);
        let owner = named::owner(caller);
        if let Some(board) = self.board(id).filter(|board| board.is_of(&owner)) {
            let record = board.record();
            named::may_run(caller, &record.workflow)?;
            return Ok(record);
        }
        let (run, calls) = world.store().runs().find(id).await.map_err(unavailable)?.ok_or_else(unknown)?;
        if !owner.owns(run.project.as_deref(), run.key.as_deref()) {
            return Err(unknown());
        }
        named::may_run(caller, &run.workflow)?;
        let record = run.record.as_deref().and_then(|record| serde_json::from_str(record).ok());
        Ok(record.unwrap_or_else(|| interrupted(run, &calls, world.config().workflows())))
    }

    /// A run that is under way as a list tells it.
    pub(super) fn summary(&self, id: &str) -> Option<RunSummary> {
        self.board(id).map(|board| board.summary())
    }

    fn board(&self, id: &str) -> Option<Arc<Board>> {
        self.lock().places.get(id).cloned().flatten()
    }

    /// Ends what is still under way, and waits for it: it can be resumed. Nothing begins afterwards.
    pub async fn end(&self) {
        let mut tasks = {
            let mut live = self.lock();
            live.ended = true;
            live.places.values().flatten().for_each(|board| board.stops());
            std::mem::take(&mut live.tasks)
        };
        tasks.shutdown().await;
    }

    fn lock(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stopping() -> Fault {
    Fault::new(FaultKind::Stopping, "the gateway is stopping: no run begins any more")
}

/// A run's place among those under way, for as long as its task lives.
struct Place {
    runs: Arc<Runs>,
    id: String,
}

impl Place {
    /// Takes it, if nobody has it. What is written down of the run stays as it is from then on.
    fn take(runs: &Arc<Runs>, id: &str) -> Result<Self, Fault> {
        let mut live = runs.lock();
        // Finished tasks are collected as we go, so that the set does not grow.
        while live.tasks.try_join_next().is_some() {}
        if live.ended {
            return Err(stopping());
        }
        let full = live.places.len() >= MAX_RUNS;
        match live.places.entry(id.to_owned()) {
            Entry::Occupied(_) => {
                Err(Fault::new(FaultKind::RunConflict, format!("the run {id} is under way")))
            }
            Entry::Vacant(_) if full => {
                let message = format!("{MAX_RUNS} runs of workflows are under way already");
                Err(Fault::new(FaultKind::Overloaded, message))
            }
            Entry::Vacant(vacant) => {
                vacant.insert(None);
                Ok(Self { runs: Arc::clone(runs), id: id.to_owned() })
            }
        }
    }

    /// Begins the run whose place this is.
    async fn launch(
        self,
        world: Arc<World>,
        workflow: &Arc<Workflow>,
        run: StoredRun,
        calls: Vec<StoredCall>,
        input: Value,
        ask: RunAsk,
    ) -> Result<Started, Fault> {
        let RunAsk { caller, headers, listening, guard } = ask;
        let record = RunRecord::begun(run.id.clone(), workflow.name.clone(), run.started_ms, input.clone());
        let scope = Arc::new(RunScope::new(&*run.id, &*workflow.name, workflow.budget));
        let (board, events) = Board::new(record, Arc::clone(&scope), named::owner(&caller), listening);
        let board = Arc::new(board);
        self.fill(&board)?;
        let store = Arc::clone(world.store());
        let journal = Journal::new(Arc::clone(&store), run.id.clone(), calls);
        let id = run.id.clone();
        store.runs().begin(run).await.map_err(unavailable)?;
        if scope.budget.is_some() {
            // What an earlier attempt spent is spent.
            store.ledger().recall_run(&scope).await.map_err(unavailable)?;
        }
        let context = Context {
            world,
            scope,
            caller,
            headers: named::passed_on(headers),
            journal,
            board,
            partial: AtomicBool::new(false),
        };
        let (leave, left) = watch::channel(false);
        let leave = (workflow.on_disconnect == OnDisconnect::Cancel).then_some(leave);
        let workflow = Arc::clone(workflow);
        let runs = Arc::clone(&self.runs);
        let spawned = async move {
            let (record, fault) = drive(&context, workflow, input, left).await;
            // Whoever hears of the end may go on with it at once.
            drop(self);
            context.board.tell_end(record, fault).await;
            // Shutdown waits for the guard, and whoever begins anew on the same file for what the run held.
            drop(context);
            drop(guard);
        };
        runs.lock().tasks.spawn(spawned);
        Ok(Started { id, events, leave })
    }

    /// From now on people are told how the run stands.
    fn fill(&self, board: &Arc<Board>) -> Result<(), Fault> {
        let mut live = self.runs.lock();
        // Boards are told that serving ends; one that comes later is not.
        if live.ended {
            return Err(stopping());
        }
        live.places.insert(self.id.clone(), Some(Arc::clone(board)));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.runs.lock().places.remove(&self.id);
    }
}

/// Takes a run to its end, whatever that is, and writes it down.
async fn drive(
    context: &Context,
    workflow: Arc<Workflow>,
    input: Value,
    mut left: watch::Receiver<bool>,
) -> (RunRecord, Option<Fault>) {
    let began = Instant::now();
    let budget = workflow.budget.map(|budget| (budget, workflow.name.clone()));
    let tally = Tally::new(budget, None);
    let frame =
        Frame::outermost(Arc::clone(&workflow), input, Arc::clone(&tally), Arc::clone(&context.scope));
    context.board.begins(workflow.steps.iter().map(|step| step.name.to_string()).collect()).await;
    // The sender is gone when nobody may cancel the run.
    let gone = async {
        if left.wait_for(|left| *left).await.is_err() {
            std::future::pending::<()>().await;
        }
        // Before its calls are dropped.
        context.scope.ends(GivenUp::ClientLeft);
    };
    let end = tokio::select! {
        biased;
        end = wait_for(workflow.timeout, run_frame(context, &frame)) => end.unwrap_or_else(|| FrameEnd::failed(late(&workflow))),
        () = gone => {
            let fault = Fault::new(FaultKind::Stopping, "its client left");
            return finish(context, &workflow, began, RunStatus::Cancelled, FrameEnd::failed(fault), &tally).await;
        }
    };
    let status = match &end.result {
        Ok(_) if context.partial.load(Ordering::Relaxed) => RunStatus::Partial,
        Ok(_) => RunStatus::Succeeded,
        Err(fault) if fault.kind == FaultKind::BudgetExceeded => RunStatus::BudgetExceeded,
        Err(_) => RunStatus::Failed,
    };
    finish(context, &workflow, began, status, end, &tally).await
}

async fn finish(
    context: &Context,
    workflow: &Workflow,
    began: Instant,
    status: RunStatus,
    end: FrameEnd,
    tally: &Tally,
) -> (RunRecord, Option<Fault>) {
    let (output, fault) = match end.result {
        Ok(output) => (output, None),
        Err(fault) => (end.so_far, Some(fault)),
    };
    let mut spent = tally.spent();
    // Calls that were given up on the way are in the ledger alone.
    let charged = context.world.store().ledger().run_spent(&context.scope.id);
    spent.pay(Some(charged.less(spent.cost)));
    let record = context.board.ends(status, output, spent, fault.as_ref());
    let standing = if status.is_whole() { Standing::Whole } else { Standing::Broken };
    let ended = Ended {
        standing,
        record: serde_json::to_string(&record).unwrap_or_default(),
        summary: serde_json::to_string(&RunSummary::from(&record)).unwrap_or_default(),
    };
    if let Err(error) = context.world.store().runs().end(&record.id, ended).await {
        // The run's end is told all the same; whoever asks after a restart finds it broken off.
        tracing::warn!(target: "jackfield::run", run = record.id, %error, "the end of a run is not written down");
    }
    let metrics = &context.world.metrics().workflows;
    metrics.ran(&workflow.name, status.name(), began.elapsed());
    for step in &record.steps {
        let took = step.took_ms.map(std::time::Duration::from_millis);
        metrics.stepped(&workflow.name, step.status.name(), took);
    }
    tracing::info!(
        target: "jackfield::run",
        run = record.id,
        workflow = record.workflow,
        outcome = status.name(),
        reason = fault.as_ref().map(|fault| fault.kind.reason()),
        fault = fault.as_ref().map(|fault| fault.message.as_str()),
        project = context.caller.project.as_deref(),
        user = context.caller.user.as_deref(),
        calls = record.spent.calls,
        resumed_calls = record.spent.resumed_calls,
        input_tokens = record.spent.input_tokens,
        output_tokens = record.spent.output_tokens,
        cost_usd = record.spent.cost_usd,
        total_ms = record.took_ms,
        "run"
    );
    (record, fault)
}
