/* Sizes and offsets as the C compiler sees them; a test compares ffi.rs with these. */
#include <stddef.h>
#include "llhttp.h"

const size_t busbar_llhttp_layout[] = {
    LLHTTP_VERSION_MAJOR,
    LLHTTP_VERSION_MINOR,
    LLHTTP_VERSION_PATCH,
    sizeof(llhttp_t),
    offsetof(llhttp_t, error),
    offsetof(llhttp_t, reason),
    offsetof(llhttp_t, error_pos),
    offsetof(llhttp_t, data),
    offsetof(llhttp_t, content_length),
    offsetof(llhttp_t, method),
    offsetof(llhttp_t, http_major),
    offsetof(llhttp_t, http_minor),
    offsetof(llhttp_t, lenient_flags),
    offsetof(llhttp_t, upgrade),
    offsetof(llhttp_t, flags),
    offsetof(llhttp_t, settings),
    sizeof(llhttp_settings_t),
    offsetof(llhttp_settings_t, on_message_begin),
    offsetof(llhttp_settings_t, on_url),
    offsetof(llhttp_settings_t, on_header_field),
    offsetof(llhttp_settings_t, on_header_value),
    offsetof(llhttp_settings_t, on_chunk_extension_name),
    offsetof(llhttp_settings_t, on_chunk_extension_value),
    offsetof(llhttp_settings_t, on_headers_complete),
    offsetof(llhttp_settings_t, on_body),
    offsetof(llhttp_settings_t, on_message_complete),
    offsetof(llhttp_settings_t, on_reset),
};
