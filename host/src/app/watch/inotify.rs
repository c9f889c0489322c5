//! Linux: hears of what appears in a folder, goes, changes its name or rights, or was written and closed.
//!
//! And of nothing else: the state file lies beside the configuration by default, is written with every request and never
//! closed, and must not wake us each time. So this is not notify, which asks for every write. A task of its own, owned by
//! whoever holds the [`Hearing`], that ends with it. One buffer of `BUFFER` bytes; what the system dropped counts as a change.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::inotify::{CreateFlags, Event, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::Watched;
use crate::app::AbortOnDrop;

/// Bytes of events that are read at once: about a hundred.
const BUFFER: usize = 4_096;

/// As long as it is held, changes are heard of.
pub(super) struct Hearing {
    _task: AbortOnDrop,
}

/// Hints at every change of the watched folders that matters, from now on. The flag is set, before the hint, once one of them
/// may not be heard of any more: the system ends a watch with its folder.
pub(super) fn hear(watched: &Watched, hint: mpsc::Sender<()>) -> io::Result<(Hearing, Arc<AtomicBool>)> {
    let lost = Arc::new(AtomicBool::new(false));
    let system = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let changes = WatchFlags::ATTRIB
        | WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    let mut folders = Vec::with_capacity(watched.folders.len());
    for (folder, _) in &watched.folders {
        // One folder of two names has one number.
        folders.push((add_watch(&system, folder, changes)?, folder.clone()));
    }
    #[expect(
        deprecated,
        reason = "what replaces it is `unsafe`, for the sake of types that give out a number they do not own"
    )]
    let system = AsyncFd::new(system)?;
    let watched = watched.clone();
    let flag = Arc::clone(&lost);
    let listening = async move { listen(&system, &folders, &watched, &flag, &hint).await };
    Ok((Hearing { _task: AbortOnDrop(tokio::spawn(listening)) }, lost))
}

async fn listen(
    system: &AsyncFd<OwnedFd>,
    folders: &[(i32, PathBuf)],
    watched: &Watched,
    lost: &AtomicBool,
    hint: &mpsc::Sender<()>,
) {
    let mut buffer = Box::new_uninit_slice(BUFFER);
    loop {
        // It fails when the runtime ends.
        let Ok(mut ready) = system.readable().await else { return };
        let mut events = Reader::new(system.get_ref(), &mut buffer);
        loop {
            let matters = match events.next() {
                Ok(event) => matters(&event, folders, watched, lost),
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => break,
                // Whatever that is, it is not worth a loop that never rests.
                Err(error) => {
                    let error = io::Error::from(error);
                    tracing::error!(target: "jackfield::world", %error, "changes of files are not heard of any more");
                    return;
                }
            };
            if matters {
                // A full channel already holds the hint.
                let _ = hint.try_send(());
            }
        }
        ready.clear_ready();
    }
}

fn matters(event: &Event<'_>, folders: &[(i32, PathBuf)], watched: &Watched, lost: &AtomicBool) -> bool {
    let Some(name) = event.file_name() else {
        // The folder itself, or events were lost, which may have told of its end.
        let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT | ReadFlags::IGNORED;
        let gone = event.events().intersects(gone | ReadFlags::QUEUE_OVERFLOW);
        if gone {
            lost.store(true, Ordering::Release);
        }
        return gone || event.events().contains(ReadFlags::ATTRIB);
    };
    let name = OsStr::from_bytes(name.to_bytes());
    let mut here = folders.iter().filter(|(number, _)| *number == event.wd());
    here.any(|(_, folder)| watched.matters(&folder.join(name)))
}
