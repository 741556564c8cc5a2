//! What a session keeps between calls, besides what nghttp2 itself keeps.

use std::ffi::c_int;
use std::marker::PhantomData;

use slab::Slab;
use smallvec::SmallVec;

use crate::closed::ClosedStreams;
use crate::error::ErrorCode;
use crate::ffi;
use crate::outgoing::Outgoing;
use crate::priority::Priority;
use crate::received::{KeptList, ListLimits, StreamId};

/// Priorities kept for streams that aren't open yet. RFC 9218 §7.1: a server may drop what it has no room for.
const EARLY_PRIORITIES: usize = 16;
/// Memory kept for the content of answers to come.
const KEPT_BUFFERS: usize = 4;

/// See the module.
pub(crate) struct State {
    pub(crate) limits: ListLimits,
    /// A header list that the end of an input has cut off.
    pub(crate) kept: Option<Box<KeptList>>,
    pub(crate) closed: ClosedStreams,
    pub(crate) early: EarlyPriorities,
    /// The code of a GOAWAY that was an error.
    pub(crate) failure: Option<ErrorCode>,
    /// Frames of ours that nghttp2 knows nothing of.
    pub(crate) urgent: Vec<u8>,
    answers: Slab<Outgoing>,
    memory: SmallVec<[Vec<u8>; KEPT_BUFFERS]>,
}

impl State {
    pub(crate) fn new(limits: ListLimits) -> State {
        State {
            limits,
            kept: None,
            closed: ClosedStreams::default(),
            early: EarlyPriorities::default(),
            failure: None,
            urgent: Vec::new(),
            answers: Slab::new(),
            memory: SmallVec::new(),
        }
    }

    /// Makes room for the content of an answer. The key is what its data source carries.
    pub(crate) fn add_outgoing(&mut self) -> Option<c_int> {
        let memory = self.memory.pop().unwrap_or_default();
        let key = self.answers.insert(Outgoing::new(memory));
        c_int::try_from(key).ok()
    }

    pub(crate) fn outgoing(&mut self, key: c_int) -> Option<&mut Outgoing> {
        self.answers.get_mut(usize::try_from(key).ok()?)
    }

    /// Bytes that wait of the content with this key.
    pub(crate) fn queued(&self, key: usize) -> usize {
        self.answers.get(key).map_or(0, Outgoing::queued)
    }

    /// The same of those that lie with the caller.
    pub(crate) fn lent(&self, key: usize) -> usize {
        self.answers.get(key).map_or(0, Outgoing::lent)
    }

    /// Drops the content of a stream whose user data is `mark`.
    pub(crate) fn drop_outgoing(&mut self, mark: usize) {
        let Some(outgoing) = mark.checked_sub(1).and_then(|key| self.answers.try_remove(key)) else { return };
        if self.memory.len() < KEPT_BUFFERS {
            self.memory.extend(outgoing.into_memory());
        }
    }
}

/// PRIORITY_UPDATEs that came ahead of their streams.
#[derive(Debug, Default)]
pub(crate) struct EarlyPriorities {
    last: Vec<(StreamId, Priority)>,
}

impl EarlyPriorities {
    pub(crate) fn set(&mut self, stream: StreamId, priority: Priority) {
        self.last.retain(|(known, _)| *known != stream);
        if self.last.len() == EARLY_PRIORITIES {
            self.last.remove(0);
        }
        self.last.push((stream, priority));
    }

    pub(crate) fn take(&mut self, stream: StreamId) -> Option<Priority> {
        let at = self.last.iter().position(|(known, _)| *known == stream)?;
        Some(self.last.remove(at).1)
    }
}

/// A header list as nghttp2 takes it. It borrows names and values, which nghttp2 copies.
pub(crate) struct NvList<'a> {
    list: SmallVec<[ffi::nghttp2_nv; 16]>,
    borrows: PhantomData<&'a [u8]>,
}

impl<'a> NvList<'a> {
    pub(crate) fn new(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> NvList<'a> {
        let list = fields.into_iter().map(|(name, value)| ffi::nghttp2_nv {
            // nghttp2 reads them only: the type lacks a const that its header has.
            name: name.as_ptr().cast_mut(),
            value: value.as_ptr().cast_mut(),
            namelen: name.len(),
            valuelen: value.len(),
            flags: flags(name),
        });
        NvList { list: list.collect(), borrows: PhantomData }
    }

    pub(crate) fn as_ptr(&self) -> *const ffi::nghttp2_nv {
        self.list.as_ptr()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }
}

/// Secrets stay out of compression tables, here and in proxies. RFC 7541 §7.1.3.
fn flags(name: &[u8]) -> u8 {
    const SECRETS: [&[u8]; 2] = [b"set-cookie", b"www-authenticate"];
    if SECRETS.contains(&name) { ffi::NGHTTP2_NV_FLAG_NO_INDEX as u8 } else { 0 }
}
