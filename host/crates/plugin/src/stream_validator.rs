//! A component behind the contract's `StreamValidator`. One instance lives as long as one stream; each piece is a
//! call of its own, with a call's permit and limits.

use std::sync::Arc;

use jackfield_core::contract::{Ask, BoxFuture, Held, Piece, PluginFault, StreamValidator, StreamWatch};

use crate::bindings::exports::jackfield::plugin::stream_validation as wit;
use crate::call::{Turn, gone};
use crate::convert;
use crate::instances::{Instances, Lease};
use crate::session::Callable;
use crate::wall::timed;

/// A check of streamed answers that is a WebAssembly component.
pub(crate) struct ComponentStreamValidator {
    callable: Arc<Callable>,
    instances: Arc<Instances>,
}

/// The watch over one stream.
struct Watch {
    callable: Arc<Callable>,
    ask: Ask,
    /// The instance between two calls. Gone after a fault.
    lease: Option<Lease>,
}

impl ComponentStreamValidator {
    pub(crate) fn new(callable: Arc<Callable>, instances: Arc<Instances>) -> Self {
        Self { callable, instances }
    }

    async fn begin(&self, ask: Ask) -> Result<Watch, PluginFault> {
        let limits = &self.callable.shared.limits;
        let summary = convert::summary(&ask);
        let mut turn = Turn::take(&self.callable, self.instances.lease(), limits.wall).await?;
        let call = async {
            let session = turn.lease.session().ok_or_else(gone)?;
            session.begin(limits.cpu, &turn.pass, Some(ask.clone()), None);
            session.open_stream(&summary).await?.map_err(|error| convert::reported(&error))
        };
        timed(&turn.pass, limits.wall, call).await?;
        Ok(Watch { callable: Arc::clone(&self.callable), ask, lease: Some(turn.lease) })
    }
}

impl StreamValidator for ComponentStreamValidator {
    fn name(&self) -> &str {
        &self.callable.shared.name
    }

    fn open(&self, ask: Ask) -> BoxFuture<'_, Result<Box<dyn StreamWatch>, PluginFault>> {
        Box::pin(async move { Ok(Box::new(self.begin(ask).await?) as Box<dyn StreamWatch>) })
    }
}

impl Watch {
    async fn step(&mut self, piece: Option<wit::Delta>) -> Result<Held, PluginFault> {
        let limits = &self.callable.shared.limits;
        // Taken out: an early return, a trap or a cancelled future is the instance's end.
        let lease = self.lease.take().ok_or_else(gone)?;
        let mut turn = Turn::take(&self.callable, lease, limits.wall).await?;
        let call = async {
            let session = turn.lease.session().ok_or_else(gone)?;
            session.begin(limits.cpu, &turn.pass, Some(self.ask.clone()), None);
            let step = session.stream_step(piece.as_ref()).await?;
            held(step.map_err(|error| convert::reported(&error))?)
        };
        let held = timed(&turn.pass, limits.wall, call).await?;
        self.lease = Some(turn.lease);
        Ok(held)
    }
}

impl StreamWatch for Watch {
    fn push(&mut self, choice: u32, piece: Piece) -> BoxFuture<'_, Result<Held, PluginFault>> {
        let piece = match piece {
            Piece::Text(text) => wit::Piece::Text(text),
            Piece::ToolCall(arguments) => wit::Piece::ToolCall(arguments),
            Piece::Finish(reason) => wit::Piece::Finish(convert::finish(reason)),
        };
        Box::pin(self.step(Some(wit::Delta { choice, piece })))
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Held, PluginFault>> {
        Box::pin(self.step(None))
    }
}

fn held(step: wit::Step) -> Result<Held, PluginFault> {
    Ok(match step {
        wit::Step::Hold => Held::Hold,
        wit::Step::Release(bytes) => Held::Release(bytes as usize),
        wit::Step::Replace(text) => Held::Replace(text),
        wit::Step::Reject(issues) => Held::Reject(convert::issues(issues)?),
    })
}
