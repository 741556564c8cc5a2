//! Our settings, and how a session is made.

use std::ptr::{self, NonNull};
use std::sync::OnceLock;

use crate::callbacks;
use crate::error::Error;
use crate::ffi;
use crate::memory;
use crate::scanner::HEADER_BYTES;
use crate::session::SENT_LIST_BYTES;

/// What we tell the peer about ourselves. RFC 9113 §6.5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Streams that the peer may have open. Only told: the caller refuses those above it. nghttp2 itself
    /// would end the whole connection.
    pub concurrent_streams: u32,
    /// The receive window of a new stream.
    pub stream_window: u32,
    /// The receive window of the connection.
    pub connection_window: i32,
    /// The largest header list, told to the peer.
    pub list_bytes: u32,
    /// Extended CONNECT is understood. RFC 8441 §3.
    pub extended_connect: bool,
}

impl Settings {
    /// All but the limit of streams.
    pub(crate) fn entries(&self) -> Vec<ffi::nghttp2_settings_entry> {
        let entry = |id, value| ffi::nghttp2_settings_entry { settings_id: id as i32, value };
        let mut entries = vec![
            entry(ffi::NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, self.stream_window),
            entry(ffi::NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, self.list_bytes),
            entry(ffi::NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
        ];
        if self.extended_connect {
            entries.push(entry(ffi::NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1));
        }
        entries
    }

    /// Copies the first frame that nghttp2 sends, which is the one with `entries`, and adds the limit of
    /// streams that nghttp2 mustn't know of.
    pub(crate) fn put_frame(&self, frame: &[u8], out: &mut Vec<u8>) {
        const ENTRY_BYTES: usize = 6;
        let begin = out.len();
        out.extend_from_slice(frame);
        let length = frame.len() - HEADER_BYTES + ENTRY_BYTES;
        if let Some(bytes) = out.get_mut(begin..begin + 3) {
            bytes.copy_from_slice(&(length as u32).to_be_bytes()[1..]);
        }
        out.extend_from_slice(&(ffi::NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS as u16).to_be_bytes());
        out.extend_from_slice(&self.concurrent_streams.to_be_bytes());
    }
}

/// Callbacks and options, which all sessions share.
struct Shared {
    callbacks: *mut ffi::nghttp2_session_callbacks,
    option: *mut ffi::nghttp2_option,
}

// SAFETY: both are only read once they are made, by `nghttp2_session_server_new3`, which copies them.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

static SHARED: OnceLock<Option<Shared>> = OnceLock::new();

/// Makes a session of nghttp2 for a server.
pub(crate) fn open() -> Result<NonNull<ffi::nghttp2_session>, Error> {
    let shared = SHARED.get_or_init(Shared::new).as_ref().ok_or(Error::Internal)?;
    let mut raw = ptr::null_mut();
    let mut memory = memory::functions();
    // In debug builds, the fuzzer's among them, tools see what the C library gives out and takes back.
    let memory = if cfg!(debug_assertions) { ptr::null_mut() } else { &raw mut memory };
    // SAFETY: callbacks and options are live for ever and are copied, as the functions for memory are; the user data
    // is set before any callback runs.
    let status = unsafe {
        ffi::nghttp2_session_server_new3(&mut raw, shared.callbacks, ptr::null_mut(), shared.option, memory)
    };
    match NonNull::new(raw) {
        Some(raw) if status == 0 => Ok(raw),
        _ => Err(Error::Internal),
    }
}

impl Shared {
    fn new() -> Option<Shared> {
        let (mut callbacks, mut option) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: each function fills its pointer with memory of its own, or fails. The options take numbers.
        unsafe {
            if ffi::nghttp2_session_callbacks_new(&mut callbacks) != 0 {
                return None;
            }
            if ffi::nghttp2_option_new(&mut option) != 0 {
                ffi::nghttp2_session_callbacks_del(callbacks);
                return None;
            }
            callbacks::install(callbacks);
            // Windows open as the application reads.
            ffi::nghttp2_option_set_no_auto_window_update(option, 1);
            // Messages are checked above, where a malformed one is answered by an error of its stream;
            // nghttp2 would end the connection.
            ffi::nghttp2_option_set_no_http_messaging(option, 1);
            ffi::nghttp2_option_set_max_send_header_block_length(option, SENT_LIST_BYTES);
            // Floods are counted above, by the caller's clock: nghttp2 asks the system's, in whole seconds.
            ffi::nghttp2_option_set_stream_reset_rate_limit(option, u64::MAX / 2, u64::MAX / 2);
            ffi::nghttp2_option_set_glitch_rate_limit(option, u64::MAX / 2, u64::MAX / 2);
            ffi::nghttp2_option_set_max_continuations(option, usize::MAX);
        }
        Some(Shared { callbacks, option })
    }
}
