//! Bytes of files, read without waiting for the disk.
//!
//! ```text
//!   read ──► in the kernel's cache: into the buffer, at once
//!        └─► otherwise a thread reads a portion ahead ──► waker ──► finished
//! ```
//! The threads start with the first bytes that a disk has to deliver. File systems that can't say what they have in
//! memory are read by them alone.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::poller::Waker;

/// Bytes that are read at once from the kernel's cache: as many as are encrypted at once.
const CACHED: usize = 64 * 1024;
/// Bytes that a thread reads.
const AHEAD: usize = 256 * 1024;
/// Threads that read for one reactor.
const THREADS: usize = 4;

/// Reads files for one reactor.
#[derive(Default)]
pub(crate) struct Disk {
    /// None: it reads no more.
    waker: Option<Arc<Waker>>,
    /// What was read last from the kernel's cache. It keeps its length.
    buffer: Vec<u8>,
    readers: Option<Readers>,
    /// Reads without a result.
    open: usize,
}

/// Who has asked for a read: a slot, the id of its client, and a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) slot: u32,
    pub(crate) client_id: u64,
    pub(crate) request_id: u64,
}

/// A read that a thread has finished.
pub(crate) struct Finished {
    pub(crate) asker: Asker,
    /// Without bytes: the file has ended.
    pub(crate) result: io::Result<Vec<u8>>,
}

struct Job {
    asker: Asker,
    file: Arc<File>,
    offset: u64,
    length: usize,
}

struct Readers {
    jobs: Option<Sender<Job>>,
    /// The threads take turns at it.
    queue: Arc<Mutex<Receiver<Job>>>,
    results: (Sender<Finished>, Receiver<Finished>),
    threads: Vec<JoinHandle<()>>,
}

impl Disk {
    /// `waker` is used when a thread has finished a read.
    pub(crate) fn new(waker: Option<Arc<Waker>>) -> Disk {
        Disk { waker, ..Disk::default() }
    }

    /// Reads up to `length` bytes from `offset` on, if the kernel has them in memory. Returns how many `cached` gives
    /// now; 0 at the end of the file.
    ///
    /// # Errors
    /// `WouldBlock`: they have to come from the disk. `Unsupported`: this file system can't tell.
    pub(crate) fn read_cached(&mut self, file: &File, offset: u64, length: u64) -> io::Result<usize> {
        self.buffer.resize(CACHED, 0);
        let length = usize::try_from(length).unwrap_or(CACHED).min(CACHED);
        read_without_waiting(file, self.buffer.get_mut(..length).unwrap_or_default(), offset)
    }

    /// The first `count` bytes of what was read last from the kernel's cache.
    pub(crate) fn cached(&self, count: usize) -> &[u8] {
        self.buffer.get(..count).unwrap_or_default()
    }

    /// Has a thread read the next portion, of `length` bytes at most. `finished` gives it later.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn read_ahead(
        &mut self,
        asker: Asker,
        file: Arc<File>,
        offset: u64,
        length: u64,
    ) -> io::Result<()> {
        let waker = self.waker.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let length = usize::try_from(length).unwrap_or(AHEAD).min(AHEAD);
        let readers = self.readers.get_or_insert_with(Readers::new);
        readers.push(Job { asker, file, offset, length }, self.open, waker)?;
        self.open += 1;
        Ok(())
    }

    /// Whether threads have something to read, or to deliver.
    #[inline]
    pub(crate) fn is_reading(&self) -> bool {
        self.open > 0
    }

    /// A read that a thread has finished, if there is one.
    pub(crate) fn finished(&mut self) -> Option<Finished> {
        let readers = self.readers.as_mut()?;
        let finished = readers.results.1.try_recv().ok()?;
        self.open -= 1;
        Some(finished)
    }
}

impl Readers {
    fn new() -> Readers {
        let (jobs, queue) = channel();
        Readers {
            jobs: Some(jobs),
            queue: Arc::new(Mutex::new(queue)),
            results: channel(),
            threads: Vec::new(),
        }
    }

    /// Passes a job to the threads, which have `open` others.
    fn push(&mut self, job: Job, open: usize, waker: &Arc<Waker>) -> io::Result<()> {
        if open >= self.threads.len() && self.threads.len() < THREADS {
            match self.start_thread(waker.clone()) {
                Err(error) if self.threads.is_empty() => return Err(error),
                _ => {}
            }
        }
        let jobs = self.jobs.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        jobs.send(job).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(())
    }

    fn start_thread(&mut self, waker: Arc<Waker>) -> io::Result<()> {
        let (queue, results) = (self.queue.clone(), self.results.0.clone());
        let run = move || {
            while let Some(Job { asker, file, offset, length }) = next(&queue) {
                let mut bytes = vec![0; length];
                let result = read_at(&file, &mut bytes, offset).map(|count| {
                    bytes.truncate(count);
                    bytes
                });
                if results.send(Finished { asker, result }).is_err() {
                    return;
                }
                // It fails only when the counter behind it is full, and then a turn is due already.
                let _ = waker.wake();
            }
        };
        // Linux truncates names to 15 bytes.
        self.threads.push(Builder::new().name("busbar-disk".to_owned()).spawn(run)?);
        Ok(())
    }
}

/// The next job; None when there will be no more.
fn next(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

impl Drop for Readers {
    /// Waits for the reads that threads are at: their code may be unloaded behind the reactor.
    fn drop(&mut self) {
        self.jobs = None;
        // Jobs that no thread has begun are not read any more.
        if let Ok(queue) = self.queue.try_lock() {
            while queue.try_recv().is_ok() {}
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

#[cfg(target_os = "linux")]
fn read_without_waiting(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};

    loop {
        match preadv2(file, &mut [io::IoSliceMut::new(room)], offset, ReadWriteFlags::NOWAIT) {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn read_without_waiting(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Reads until `room` is full or the file ends.
fn read_at(file: &File, mut room: &mut [u8], mut offset: u64) -> io::Result<usize> {
    let mut count = 0;
    while !room.is_empty() {
        match read_some(file, room, offset) {
            Ok(0) => break,
            Ok(more) => {
                count += more;
                offset += more as u64;
                room = room.get_mut(more..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(unix)]
use std::os::unix::fs::FileExt as _;

#[cfg(unix)]
fn read_some(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    file.read_at(room, offset)
}

#[cfg(windows)]
fn read_some(file: &File, room: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, room, offset)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by it")]

    use std::io::Write;
    use std::time::{Duration, Instant};

    use super::super::poller::Poller;
    use super::*;

    /// A file whose name is removed already, and its content.
    fn file(name: &str, length: usize) -> (Arc<File>, Vec<u8>) {
        let path = std::env::temp_dir().join(format!("busbar-disk-{}-{name}", std::process::id()));
        let bytes = (0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>();
        File::create(&path).unwrap().write_all(&bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        (Arc::new(file), bytes)
    }

    fn asker(request_id: u64) -> Asker {
        Asker { slot: 1, client_id: 2, request_id }
    }

    #[test]
    fn reads_of_threads_wake_the_poller_and_arrive_each_once() {
        let mut poller = Poller::new().unwrap();
        let mut disk = Disk::new(poller.waker().cloned());
        let (file, bytes) = file("ahead", 3 * AHEAD + 7);
        for number in 0..20 {
            disk.read_ahead(asker(number), file.clone(), (number % 4) * AHEAD as u64, u64::MAX).unwrap();
        }
        disk.read_ahead(asker(20), file.clone(), 5, 3).unwrap();
        disk.read_ahead(asker(21), file, bytes.len() as u64, 3).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        let mut seen = Vec::new();
        while disk.is_reading() {
            assert!(Instant::now() < end, "{} of 22 reads have arrived", seen.len());
            poller.wait(Some(Duration::from_secs(1))).unwrap();
            while let Some(Finished { asker, result }) = disk.finished() {
                let number = asker.request_id;
                let expected = match number {
                    20 => &bytes[5..8],
                    21 => &[],
                    _ => bytes.chunks(AHEAD).nth(number as usize % 4).unwrap(),
                };
                assert!(result.unwrap() == expected, "read {number}");
                seen.push(number);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..22).collect::<Vec<_>>());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_thread_cannot_read_is_an_error_of_its_read() {
        let poller = Poller::new().unwrap();
        let mut disk = Disk::new(poller.waker().cloned());
        let folder = Arc::new(File::open(std::env::temp_dir()).unwrap());
        disk.read_ahead(asker(1), folder, 0, 10).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        let finished = loop {
            assert!(Instant::now() < end);
            match disk.finished() {
                Some(finished) => break finished,
                None => std::thread::yield_now(),
            }
        };
        assert!(finished.result.is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bytes_in_memory_are_read_at_once_up_to_the_end_of_the_file() {
        let mut disk = Disk::new(None);
        let (file, bytes) = file("cached", CACHED + 100);
        for (offset, length, expected) in [
            (0, u64::MAX, &bytes[..CACHED]),
            (CACHED as u64, u64::MAX, &bytes[CACHED..]),
            (10, 5, &bytes[10..15]),
            (1 << 40, 5, &[]),
        ] {
            match disk.read_cached(&file, offset, length) {
                Ok(count) => assert!(disk.cached(count) == expected, "from {offset}"),
                // The file system of temporary files can't tell.
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
            }
        }
    }

    #[test]
    fn a_disk_that_is_let_go_reads_no_more() {
        let poller = Poller::new().unwrap();
        let mut disk = Disk::new(poller.waker().cloned());
        let (file, _) = file("let-go", 10);
        disk.read_ahead(asker(1), file.clone(), 0, 10).unwrap();
        disk = Disk::default();
        assert_eq!(Arc::strong_count(&file), 1, "no thread has it any more");
        assert!(disk.read_ahead(asker(1), file, 0, 10).is_err());
    }
}
