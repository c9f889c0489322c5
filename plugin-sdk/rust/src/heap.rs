//! Where a plugin's memory comes from: first what the component's initial memory has room for, then pages.
//!
//! The standard library's allocator begins by growing the memory, which a fresh instance would do at every call: two changes
//! of page protection a call, seen by all processors. `jackfield plugin build` asks the linker for 64 KiB of room behind the
//! plugin's data, which this allocator begins with; most calls need no more.

use dlmalloc::GlobalDlmalloc;

#[global_allocator]
static HEAP: GlobalDlmalloc = GlobalDlmalloc;
