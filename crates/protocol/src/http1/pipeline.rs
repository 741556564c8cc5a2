//! The requests of a connection that are not wholly answered, in order.
//!
//! Answers are sent in this order, whatever order the handlers finish in: the bytes of an early one are kept
//! until those before it are complete. RFC 9112 §9.3.2.

use smallvec::SmallVec;

use crate::error::RequestError;
use crate::event::RequestId;

/// The request id of a refusal: the application knows no such request.
const NO_REQUEST: RequestId = RequestId(u64::MAX);

/// What is known of a request from its head.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestFlags {
    /// HEAD: the answer has no body.
    pub(super) is_head: bool,
    /// HTTP/1.0: no chunks, no 1xx.
    pub(super) is_http10: bool,
    /// The connection closes after the answer: the client wants that, or it is CONNECT.
    pub(super) wants_close: bool,
    /// GET, HEAD, OPTIONS or TRACE: it may run beside others.
    pub(super) is_safe: bool,
    /// It is CONNECT or asked for an upgrade.
    pub(super) is_upgrade: bool,
}

impl RequestFlags {
    /// For what is no request: nothing follows it.
    pub(super) const LAST: RequestFlags = RequestFlags {
        is_head: false,
        is_http10: false,
        wants_close: true,
        is_safe: true,
        is_upgrade: false,
    };
}

/// One request.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request_id: RequestId,
    pub(super) flags: RequestFlags,
    /// Its answer has begun, in `state` or on the wire.
    pub(super) has_begun: bool,
    /// None as long as the only thing that can come is one whole answer in its turn, which is the usual case.
    pub(super) state: Option<Box<PendingState>>,
}

/// Where the answer to a pending request stands.
#[derive(Debug, Default)]
pub(super) struct PendingState {
    /// Bytes of the answer that wait for earlier answers.
    pub(super) early: Vec<u8>,
    /// The framing of a body that is being streamed.
    pub(super) stream: Option<Stream>,
    /// How many bytes of a streamed answer went to the output, not counting its head. The last so many there are its own, as far as they are unsent.
    pub(super) put: usize,
    /// How many bytes follow that aren't here: of a file, or of memory that is held.
    pub(super) external: u64,
    /// Bytes of the answer behind those.
    pub(super) behind: Vec<u8>,
    /// The answer is complete; what isn't sent of it is in `early`.
    pub(super) is_done: bool,
    /// The connection ends after this answer.
    pub(super) closes: bool,
    /// The answer can't be completed: the connection is aborted.
    pub(super) is_aborted: bool,
    /// This answer makes the connection raw.
    pub(super) is_upgraded: bool,
    /// Why the request was refused, when the answer isn't the application's.
    pub(super) refusal: Option<RequestError>,
}

/// How the body of an answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// By chunks.
    Chunked,
    /// By a declared length, of which so many bytes are missing.
    Length(u64),
    /// By the end of the connection.
    UntilClose,
    /// There is none on the wire: HEAD, 204, 205, 304.
    Silent,
}

/// The pipeline.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// Requests in order; those before `first` have been answered.
    pending: SmallVec<[Pending; 1]>,
    first: usize,
}

/// How many more requests get room once there is a second one.
const PIPELINE_ROOM: usize = 31;

/// How many answered requests stay at the front before the others move up.
const ANSWERED_KEPT: usize = 64;

impl Pipeline {
    pub(super) fn new() -> Pipeline {
        Pipeline { pending: SmallVec::new(), first: 0 }
    }

    #[inline]
    fn open(&self) -> &[Pending] {
        self.pending.get(self.first..).unwrap_or(&[])
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.pending.len() == self.first
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.pending.len() - self.first
    }

    /// How many answers are owed; a refusal isn't one of them.
    #[inline]
    pub(super) fn owed(&self) -> usize {
        self.open().iter().filter(|pending| pending.request_id != NO_REQUEST).count()
    }

    #[inline]
    pub(super) fn push(&mut self, request_id: RequestId, flags: RequestFlags) {
        if self.pending.len() == self.pending.capacity() {
            self.grow();
        }
        self.pending.push(Pending { request_id, flags, has_begun: false, state: None });
    }

    /// After the second request of a pipeline more are likely: they get room at once instead of by doubling.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        self.pending.reserve(PIPELINE_ROOM);
    }

    pub(super) fn push_refusal(&mut self, early: Vec<u8>, refusal: RequestError) {
        let flags = RequestFlags::LAST;
        let state = PendingState {
            early,
            is_done: true,
            closes: true,
            refusal: Some(refusal),
            ..PendingState::default()
        };
        self.pending.push(Pending {
            request_id: NO_REQUEST,
            flags,
            has_begun: true,
            state: Some(Box::new(state)),
        });
    }

    /// A request whose answer isn't complete, and its index, which is nearly always 0.
    #[inline]
    pub(super) fn find_mut(&mut self, request_id: RequestId) -> Option<(usize, &mut Pending)> {
        let open = self.pending.get_mut(self.first..)?;
        let (at, pending) =
            open.iter_mut().enumerate().find(|(_, pending)| pending.request_id == request_id)?;
        (!pending.is_done() && request_id != NO_REQUEST).then_some((at, pending))
    }

    pub(super) fn is_open(&self, request_id: RequestId) -> bool {
        self.index_of(request_id).is_some()
    }

    /// The index of a request whose answer may be complete and wait for its turn.
    pub(super) fn index_of(&self, request_id: RequestId) -> Option<usize> {
        self.open().iter().position(|pending| pending.request_id == request_id && request_id != NO_REQUEST)
    }

    pub(super) fn is_first(&self, request_id: RequestId) -> bool {
        self.open().first().is_some_and(|pending| pending.request_id == request_id)
    }

    /// How many bytes of an answer are kept until its turn, or that of what is behind its external part, comes.
    pub(super) fn kept_bytes(&self, request_id: RequestId) -> usize {
        let pending = self.open().iter().find(|pending| pending.request_id == request_id);
        pending
            .and_then(|pending| pending.state.as_ref())
            .map_or(0, |state| state.early.len() + state.behind.len())
    }

    /// How many of so many bytes at the end of the output may be of this answer, if it has its turn.
    pub(super) fn put_of(&self, request_id: RequestId, unsent: usize) -> usize {
        let first = self.open().first().filter(|first| first.request_id == request_id);
        first.and_then(|first| first.state.as_ref()).map_or(0, |state| state.put.min(unsent))
    }

    /// How many bytes an answer still contains that aren't here.
    pub(super) fn external_bytes(&self, request_id: RequestId) -> u64 {
        let pending = self.open().iter().find(|pending| pending.request_id == request_id);
        pending.and_then(|pending| pending.state.as_ref()).map_or(0, |state| state.external)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Pending> {
        self.pending.get_mut(self.first + at)
    }

    /// Flags of the latest request.
    pub(super) fn last_flags(&self) -> Option<RequestFlags> {
        self.open().last().map(|pending| pending.flags)
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Pending> {
        self.len().checked_sub(1).and_then(|at| self.get_mut(at))
    }

    /// Removes the last request, unless its answer is complete. Returns its flags.
    #[cold]
    pub(super) fn give_up_last(&mut self, request_id: RequestId) -> Option<RequestFlags> {
        let is_it = self.open().last().is_some_and(|last| last.request_id == request_id && !last.is_done());
        let last = if is_it { self.pending.pop() } else { None };
        last.map(|last| last.flags)
    }

    /// Removes the requests whose answers haven't begun, but for one. Returns their ids.
    #[cold]
    pub(super) fn give_up_unbegun(&mut self, kept: RequestId) -> Vec<RequestId> {
        let mut given_up = Vec::new();
        let mut answered = self.first;
        self.pending.retain(|pending| {
            if answered > 0 {
                answered -= 1;
                return true;
            }
            let stays = pending.has_begun || pending.request_id == kept;
            if !stays {
                given_up.push(pending.request_id);
            }
            stays
        });
        given_up
    }

    /// Whether the answer to a request has begun and isn't complete.
    pub(super) fn is_answering(&self, request_id: RequestId) -> bool {
        let pending = self.open().iter().find(|pending| pending.request_id == request_id);
        pending.is_some_and(|pending| pending.has_begun && !pending.is_done())
    }

    pub(super) fn first(&self) -> Option<&Pending> {
        self.open().first()
    }

    pub(super) fn first_mut(&mut self) -> Option<&mut Pending> {
        self.get_mut(0)
    }

    #[inline]
    pub(super) fn pop_first(&mut self) {
        if self.first + 1 >= self.pending.len() {
            return self.clear();
        }
        if let Some(answered) = self.first_mut() {
            answered.state = None;
        }
        self.first += 1;
        if self.first > ANSWERED_KEPT {
            self.pending.drain(..self.first);
            self.first = 0;
        }
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.first = 0;
        if self.pending.spilled() {
            self.pending = SmallVec::new();
        } else {
            self.pending.clear();
        }
    }

    pub(super) fn open_request_ids(&self) -> impl Iterator<Item = RequestId> {
        self.open().iter().map(|pending| pending.request_id).filter(|request_id| *request_id != NO_REQUEST)
    }

    /// Whether a request with a safe or an unsafe method may start now: one that isn't safe waits
    /// until every earlier answer has begun, and all others wait for it. None starts behind a complete answer whose
    /// external part isn't sent: a client that reads nothing must not have many of them held.
    #[inline]
    pub(super) fn lets_start(&self, is_safe: bool) -> bool {
        let Some(last) = self.open().last() else { return true };
        if last.has_begun && last.is_held() {
            return false;
        }
        if is_safe {
            // A request that isn't safe and whose answer hasn't begun lets nothing start: only the last can be one.
            return last.has_begun || last.flags.is_safe;
        }
        self.open().iter().all(|pending| pending.has_begun)
    }
}

impl Pending {
    /// Its answer is complete, and waits for its turn.
    #[inline]
    fn is_done(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_done)
    }

    /// Its answer is complete, and a part of it is still outside.
    fn is_held(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_done && state.external > 0)
    }

    pub(super) fn state(&mut self) -> &mut PendingState {
        self.state.get_or_insert_default()
    }

    /// Replaces the answer: in its turn the connection is aborted.
    pub(super) fn abort(&mut self) {
        *self.state() = PendingState { is_done: true, is_aborted: true, ..PendingState::default() };
    }
}
