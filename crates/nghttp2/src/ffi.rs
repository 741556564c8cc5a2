//! nghttp2's C interface, by the names of `nghttp2.h`.
//!
//! The declarations come from `libnghttp2-sys`, which is made by bindgen and builds the C as well; this
//! file says which of them are used, so that the rest of the crate has one place to look at.

pub(crate) use libnghttp2_sys::{
    NGHTTP2_DATA_FLAG_EOF, NGHTTP2_DATA_FLAG_NO_COPY, NGHTTP2_DATA_FLAG_NO_END_STREAM,
    NGHTTP2_ERR_BAD_CLIENT_MAGIC, NGHTTP2_ERR_CALLBACK_FAILURE, NGHTTP2_ERR_DEFERRED, NGHTTP2_ERR_FLOODED,
    NGHTTP2_ERR_PAUSE, NGHTTP2_FLAG_ACK, NGHTTP2_FLAG_END_HEADERS, NGHTTP2_FLAG_END_STREAM,
    NGHTTP2_FLAG_NONE, NGHTTP2_HCAT_REQUEST, NGHTTP2_NV_FLAG_NO_INDEX,
    NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
    NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
    NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, nghttp2_data_provider2, nghttp2_data_source, nghttp2_extpri,
    nghttp2_extpri_parse_priority, nghttp2_frame, nghttp2_frame_hd, nghttp2_mem, nghttp2_nv, nghttp2_option,
    nghttp2_option_new, nghttp2_option_set_glitch_rate_limit, nghttp2_option_set_max_continuations,
    nghttp2_option_set_max_send_header_block_length, nghttp2_option_set_no_auto_window_update,
    nghttp2_option_set_no_http_messaging, nghttp2_option_set_stream_reset_rate_limit, nghttp2_origin_entry,
    nghttp2_session, nghttp2_session_callbacks, nghttp2_session_callbacks_del, nghttp2_session_callbacks_new,
    nghttp2_session_callbacks_set_on_begin_headers_callback,
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback,
    nghttp2_session_callbacks_set_on_frame_not_send_callback,
    nghttp2_session_callbacks_set_on_frame_recv_callback,
    nghttp2_session_callbacks_set_on_frame_send_callback, nghttp2_session_callbacks_set_on_header_callback,
    nghttp2_session_callbacks_set_on_stream_close_callback, nghttp2_session_callbacks_set_rand_callback,
    nghttp2_session_callbacks_set_send_data_callback, nghttp2_session_change_extpri_stream_priority,
    nghttp2_session_consume_connection, nghttp2_session_consume_stream, nghttp2_session_del,
    nghttp2_session_get_last_proc_stream_id, nghttp2_session_get_outbound_queue_size,
    nghttp2_session_get_stream_effective_local_window_size, nghttp2_session_get_stream_local_close,
    nghttp2_session_get_stream_remote_close, nghttp2_session_get_stream_remote_window_size,
    nghttp2_session_get_stream_user_data, nghttp2_session_mem_recv2, nghttp2_session_mem_send2,
    nghttp2_session_resume_data, nghttp2_session_server_new3, nghttp2_session_set_local_window_size,
    nghttp2_session_set_stream_user_data, nghttp2_session_set_user_data, nghttp2_session_terminate_session,
    nghttp2_session_want_read, nghttp2_session_want_write, nghttp2_settings_entry, nghttp2_submit_goaway,
    nghttp2_submit_headers, nghttp2_submit_origin, nghttp2_submit_ping, nghttp2_submit_response2,
    nghttp2_submit_rst_stream, nghttp2_submit_settings, nghttp2_submit_shutdown_notice,
    nghttp2_submit_trailer,
};

// Frame types, as the byte of a frame header. RFC 9113 §6, RFC 9218 §7.1.
pub(crate) const DATA: u8 = libnghttp2_sys::NGHTTP2_DATA as u8;
pub(crate) const HEADERS: u8 = libnghttp2_sys::NGHTTP2_HEADERS as u8;
pub(crate) const PRIORITY: u8 = libnghttp2_sys::NGHTTP2_PRIORITY as u8;
pub(crate) const RST_STREAM: u8 = libnghttp2_sys::NGHTTP2_RST_STREAM as u8;
pub(crate) const SETTINGS: u8 = libnghttp2_sys::NGHTTP2_SETTINGS as u8;
pub(crate) const PING: u8 = libnghttp2_sys::NGHTTP2_PING as u8;
pub(crate) const GOAWAY: u8 = libnghttp2_sys::NGHTTP2_GOAWAY as u8;
pub(crate) const WINDOW_UPDATE: u8 = libnghttp2_sys::NGHTTP2_WINDOW_UPDATE as u8;
pub(crate) const CONTINUATION: u8 = libnghttp2_sys::NGHTTP2_CONTINUATION as u8;
pub(crate) const PRIORITY_UPDATE: u8 = libnghttp2_sys::NGHTTP2_PRIORITY_UPDATE as u8;

pub(crate) use libnghttp2_sys::nghttp2_version;

#[cfg(test)]
mod tests {
    use super::nghttp2_version;

    /// nghttp2 before this one asserts on frames behind a terminated session.
    const LEAST_VERSION: i32 = 0x01_44_01;

    #[test]
    fn the_bundled_nghttp2_has_the_fix_for_cve_2026_27135() {
        // SAFETY: nghttp2_version returns a pointer to a static, or null if its argument is larger than it.
        let info = unsafe { nghttp2_version(LEAST_VERSION).as_ref() };
        assert!(info.is_some_and(|info| info.version_num >= LEAST_VERSION));
    }
}
