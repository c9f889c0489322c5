//! What one connection is doing, so that one that does nothing can be closed: a client may be idle for
//! so long, and may take so long to send a request's head.
//!
//! hyper counts both on one timer; these are two questions with two answers (a pooled connection may
//! rest for a minute, a head that drips for a minute is an attack).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity(Mutex<Doing>);

#[derive(Debug)]
struct Doing {
    /// Requests whose answers are not out yet.
    open: usize,
    /// Since when nothing has been going on.
    idle_since: Instant,
    /// When the first byte of a head came that is not whole yet.
    head_since: Option<Instant>,
}

/// One request on a connection, from its head to its answer's last byte.
#[derive(Debug)]
pub(super) struct Open(Arc<Activity>);

/// What to do with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Look again then.
    LookAgain(Instant),
    /// It has rested long enough: close it politely.
    Retire,
    /// Its head is taking too long: close it.
    Close,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Doing { open: 0, idle_since: Instant::now(), head_since: None })))
    }

    /// A request's head is whole.
    pub(super) fn request(self: &Arc<Self>) -> Open {
        self.with(|doing| {
            doing.open += 1;
            doing.head_since = None;
        });
        Open(Arc::clone(self))
    }

    /// What to do now, with these bounds.
    pub(super) fn verdict(&self, idle: Duration, head: Duration) -> Verdict {
        let now = Instant::now();
        self.with(|doing| match (doing.open, doing.head_since) {
            (0, Some(since)) if now >= since + head => Verdict::Close,
            (0, Some(since)) => Verdict::LookAgain(since + head),
            (0, None) if now >= doing.idle_since + idle => Verdict::Retire,
            // A head may begin at any time: look often enough to catch it.
            (0, None) => Verdict::LookAgain((doing.idle_since + idle).min(now + head)),
            _ => Verdict::LookAgain(now + head.min(idle)),
        })
    }

    fn read_some(&self) {
        self.with(|doing| {
            if doing.open == 0 {
                doing.head_since.get_or_insert_with(Instant::now);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut Doing) -> T) -> T {
        // Plain assignments under the lock: it cannot be left half-way.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.with(|doing| {
            doing.open = doing.open.saturating_sub(1);
            doing.idle_since = Instant::now();
        });
    }
}

/// A connection that notes when bytes come in.
#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    pub(super) fn new(inner: T, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.read_some();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn rest_and_heads_have_bounds_of_their_own() {
        let activity = Activity::new();
        assert!(matches!(activity.verdict(LONG, LONG), Verdict::LookAgain(_)));
        assert_eq!(activity.verdict(Duration::ZERO, LONG), Verdict::Retire);
        activity.read_some();
        assert!(matches!(activity.verdict(Duration::ZERO, LONG), Verdict::LookAgain(_)));
        assert_eq!(activity.verdict(LONG, Duration::ZERO), Verdict::Close);
        let open = activity.request();
        assert!(matches!(activity.verdict(Duration::ZERO, Duration::ZERO), Verdict::LookAgain(_)));
        drop(open);
        assert_eq!(activity.verdict(Duration::ZERO, LONG), Verdict::Retire);
    }
}
