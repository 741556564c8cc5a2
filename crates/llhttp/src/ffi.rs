//! llhttp.h 9.2.1 in Rust with the names of the header. Only what the parser uses is declared.

#![allow(non_camel_case_types)]

use std::ffi::{CStr, c_char, c_int, c_void};

/// `struct llhttp__internal_s`, also known as `llhttp_t`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct llhttp_t {
    pub(crate) _index: i32,
    pub(crate) _span_pos0: *mut c_void,
    pub(crate) _span_cb0: *mut c_void,
    pub(crate) error: i32,
    pub(crate) reason: *const c_char,
    pub(crate) error_pos: *const c_char,
    pub(crate) data: *mut c_void,
    pub(crate) _current: *mut c_void,
    pub(crate) content_length: u64,
    pub(crate) kind: u8,
    pub(crate) method: u8,
    pub(crate) http_major: u8,
    pub(crate) http_minor: u8,
    pub(crate) header_state: u8,
    pub(crate) lenient_flags: u16,
    pub(crate) upgrade: u8,
    pub(crate) finish: u8,
    pub(crate) flags: u16,
    pub(crate) status_code: u16,
    pub(crate) initial_message_completed: u8,
    pub(crate) settings: *mut c_void,
}

pub(crate) type llhttp_data_cb = Option<unsafe extern "C" fn(*mut llhttp_t, *const c_char, usize) -> c_int>;
pub(crate) type llhttp_cb = Option<unsafe extern "C" fn(*mut llhttp_t) -> c_int>;

/// `struct llhttp_settings_s`.
#[repr(C)]
pub(crate) struct llhttp_settings_t {
    pub(crate) on_message_begin: llhttp_cb,
    pub(crate) on_url: llhttp_data_cb,
    pub(crate) on_status: llhttp_data_cb,
    pub(crate) on_method: llhttp_data_cb,
    pub(crate) on_version: llhttp_data_cb,
    pub(crate) on_header_field: llhttp_data_cb,
    pub(crate) on_header_value: llhttp_data_cb,
    pub(crate) on_chunk_extension_name: llhttp_data_cb,
    pub(crate) on_chunk_extension_value: llhttp_data_cb,
    pub(crate) on_headers_complete: llhttp_cb,
    pub(crate) on_body: llhttp_data_cb,
    pub(crate) on_message_complete: llhttp_cb,
    pub(crate) on_url_complete: llhttp_cb,
    pub(crate) on_status_complete: llhttp_cb,
    pub(crate) on_method_complete: llhttp_cb,
    pub(crate) on_version_complete: llhttp_cb,
    pub(crate) on_header_field_complete: llhttp_cb,
    pub(crate) on_header_value_complete: llhttp_cb,
    pub(crate) on_chunk_extension_name_complete: llhttp_cb,
    pub(crate) on_chunk_extension_value_complete: llhttp_cb,
    pub(crate) on_chunk_header: llhttp_cb,
    pub(crate) on_chunk_complete: llhttp_cb,
    pub(crate) on_reset: llhttp_cb,
}

pub(crate) const HTTP_REQUEST: c_int = 1;

pub(crate) const HPE_OK: i32 = 0;
pub(crate) const HPE_STRICT: i32 = 2;
pub(crate) const HPE_LF_EXPECTED: i32 = 3;
pub(crate) const HPE_UNEXPECTED_CONTENT_LENGTH: i32 = 4;
pub(crate) const HPE_INVALID_METHOD: i32 = 6;
pub(crate) const HPE_INVALID_URL: i32 = 7;
pub(crate) const HPE_INVALID_CONSTANT: i32 = 8;
pub(crate) const HPE_INVALID_VERSION: i32 = 9;
pub(crate) const HPE_INVALID_HEADER_TOKEN: i32 = 10;
pub(crate) const HPE_INVALID_CONTENT_LENGTH: i32 = 11;
pub(crate) const HPE_INVALID_CHUNK_SIZE: i32 = 12;
pub(crate) const HPE_INVALID_TRANSFER_ENCODING: i32 = 15;
pub(crate) const HPE_PAUSED: i32 = 21;
pub(crate) const HPE_PAUSED_UPGRADE: i32 = 22;
pub(crate) const HPE_PAUSED_H2_UPGRADE: i32 = 23;
pub(crate) const HPE_CR_EXPECTED: i32 = 25;
pub(crate) const HPE_UNEXPECTED_SPACE: i32 = 30;

pub(crate) const F_CHUNKED: u16 = 0x8;
pub(crate) const F_TRANSFER_ENCODING: u16 = 0x200;

pub(crate) const LENIENT_KEEP_ALIVE: u16 = 0x4;

/// The reason of `HPE_INVALID_CONTENT_LENGTH` for a byte that isn't a digit.
pub(crate) const REASON_INVALID_CONTENT_LENGTH: &CStr = c"Invalid character in Content-Length";

unsafe extern "C" {
    pub(crate) fn llhttp_init(parser: *mut llhttp_t, kind: c_int, settings: *const llhttp_settings_t);
    pub(crate) fn llhttp_execute(parser: *mut llhttp_t, data: *const c_char, len: usize) -> c_int;
}

unsafe extern "C" {
    /// Version, sizes and offsets as the C compiler sees them: layout.c.
    pub(crate) static busbar_llhttp_layout: [usize; 27];
}

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn structs_have_the_layout_of_the_c_compiler() {
        let here = [
            9,
            2,
            1,
            size_of::<llhttp_t>(),
            offset_of!(llhttp_t, error),
            offset_of!(llhttp_t, reason),
            offset_of!(llhttp_t, error_pos),
            offset_of!(llhttp_t, data),
            offset_of!(llhttp_t, content_length),
            offset_of!(llhttp_t, method),
            offset_of!(llhttp_t, http_major),
            offset_of!(llhttp_t, http_minor),
            offset_of!(llhttp_t, lenient_flags),
            offset_of!(llhttp_t, upgrade),
            offset_of!(llhttp_t, flags),
            offset_of!(llhttp_t, settings),
            size_of::<llhttp_settings_t>(),
            offset_of!(llhttp_settings_t, on_message_begin),
            offset_of!(llhttp_settings_t, on_url),
            offset_of!(llhttp_settings_t, on_header_field),
            offset_of!(llhttp_settings_t, on_header_value),
            offset_of!(llhttp_settings_t, on_chunk_extension_name),
            offset_of!(llhttp_settings_t, on_chunk_extension_value),
            offset_of!(llhttp_settings_t, on_headers_complete),
            offset_of!(llhttp_settings_t, on_body),
            offset_of!(llhttp_settings_t, on_message_complete),
            offset_of!(llhttp_settings_t, on_reset),
        ];
        // SAFETY: the array is a constant of layout.c with this many elements.
        assert_eq!(here, unsafe { busbar_llhttp_layout });
    }
}
