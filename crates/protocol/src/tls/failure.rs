//! Why a session failed, as a stable code for counters and a sentence for the log.

use std::fmt;

use rustls::{AlertDescription, Error, InvalidMessage, PeerIncompatible};

use super::error::text_of;

/// The end of a session that is no orderly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Stable, for counters: `BUSBAR_TLS_UNKNOWN_CA`.
    pub code: &'static str,
    /// The alert that was exchanged, by its name in RFC 8446 §6; None where the connection ends without one.
    pub alert: Option<Alert>,
    /// For logs. It may hold bytes of the client's, which a log has to escape.
    pub detail: String,
    /// It happened before the handshake was done.
    pub is_handshake: bool,
}

/// An alert and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alert {
    /// The server sent it.
    Sent(&'static str),
    /// The client sent it.
    Received(&'static str),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        match self.alert {
            Some(Alert::Sent(name)) => write!(f, " (alert sent: {name})"),
            Some(Alert::Received(name)) => write!(f, " (alert received: {name})"),
            None => Ok(()),
        }
    }
}

/// Failures that have no alert of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The client ended the connection inside the handshake.
    Cut,
    /// More bytes than any handshake needs.
    HandshakeTooLarge,
    /// Far more records than bytes of the application.
    Flood,
    /// Bytes of plain HTTP.
    PlainHttp,
    /// No certificate is for the name, and there is no default one.
    UnrecognisedName,
}

impl Failure {
    pub(super) fn of_fault(fault: Fault, is_handshake: bool) -> Failure {
        let (code, alert, detail) = match fault {
            Fault::Cut => ("BUSBAR_TLS_CUT", None, "the client ended the connection inside the handshake"),
            Fault::HandshakeTooLarge => {
                ("BUSBAR_TLS_HANDSHAKE_TOO_LARGE", None, "the client's part of the handshake is over 64 KiB")
            }
            Fault::Flood => ("BUSBAR_TLS_FLOOD", None, "the client sent far more records than data"),
            Fault::PlainHttp => ("BUSBAR_TLS_PLAIN_HTTP", None, "the client speaks plain HTTP"),
            Fault::UnrecognisedName => (
                code_sent(AlertDescription::UnrecognisedName),
                Some(Alert::Sent("unrecognized_name")),
                "no certificate is for the name that the client asked for",
            ),
        };
        Failure { code, alert, detail: detail.to_owned(), is_handshake }
    }

    /// `is_sent`: an alert went out because of it.
    pub(super) fn of_error(error: &Error, is_sent: bool, is_handshake: bool) -> Failure {
        let detail = text_of(error);
        if let Error::AlertReceived(description) = error {
            let alert = Some(Alert::Received(alert_name(*description)));
            return Failure { code: code_received(*description), alert, detail, is_handshake };
        }
        let description = description_of(error);
        let alert = is_sent.then(|| Alert::Sent(alert_name(description)));
        Failure { code: code_sent(description), alert, detail, is_handshake }
    }

    /// A session that resumed, whose client's certificate is not good any more.
    pub(super) fn of_peer(error: &super::error::PeerError) -> Failure {
        let named = ALERTS.iter().find(|known| known.name == error.code);
        Failure {
            code: named.map_or("BUSBAR_TLS_CERTIFICATE_UNKNOWN", |known| known.sent),
            alert: None,
            detail: format!("the session can't be resumed: {}", error.message),
            is_handshake: true,
        }
    }
}

/// The alert that rustls sends for an error. It doesn't say so itself.
fn description_of(error: &Error) -> AlertDescription {
    match error {
        Error::InvalidMessage(InvalidMessage::UnexpectedMessage(_))
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. } => AlertDescription::UnexpectedMessage,
        Error::InvalidMessage(message) => AlertDescription::from(*message),
        Error::NoCertificatesPresented => AlertDescription::CertificateRequired,
        Error::DecryptError => AlertDescription::BadRecordMac,
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => AlertDescription::ProtocolVersion,
        Error::PeerIncompatible(_) => AlertDescription::HandshakeFailure,
        Error::PeerMisbehaved(_) => AlertDescription::IllegalParameter,
        Error::InvalidCertificate(error) => AlertDescription::from(error.clone()),
        Error::PeerSentOversizedRecord => AlertDescription::RecordOverflow,
        Error::NoApplicationProtocol => AlertDescription::NoApplicationProtocol,
        _ => AlertDescription::InternalError,
    }
}

/// An alert, and the codes for sending and receiving it.
struct KnownAlert {
    description: AlertDescription,
    name: &'static str,
    sent: &'static str,
    received: &'static str,
}

macro_rules! alerts {
    ($($variant:ident $name:literal $code:literal),* $(,)?) => {
        [$(KnownAlert {
            description: AlertDescription::$variant,
            name: $name,
            sent: concat!("BUSBAR_TLS_", $code),
            received: concat!("BUSBAR_TLS_ALERT_", $code),
        }),*]
    };
}

const ALERTS: [KnownAlert; 33] = alerts![
    CloseNotify "close_notify" "CLOSE_NOTIFY",
    UnexpectedMessage "unexpected_message" "UNEXPECTED_MESSAGE",
    BadRecordMac "bad_record_mac" "BAD_RECORD_MAC",
    DecryptionFailed "decryption_failed" "DECRYPTION_FAILED",
    RecordOverflow "record_overflow" "RECORD_OVERFLOW",
    DecompressionFailure "decompression_failure" "DECOMPRESSION_FAILURE",
    HandshakeFailure "handshake_failure" "HANDSHAKE_FAILURE",
    NoCertificate "no_certificate" "NO_CERTIFICATE",
    BadCertificate "bad_certificate" "BAD_CERTIFICATE",
    UnsupportedCertificate "unsupported_certificate" "UNSUPPORTED_CERTIFICATE",
    CertificateRevoked "certificate_revoked" "CERTIFICATE_REVOKED",
    CertificateExpired "certificate_expired" "CERTIFICATE_EXPIRED",
    CertificateUnknown "certificate_unknown" "CERTIFICATE_UNKNOWN",
    IllegalParameter "illegal_parameter" "ILLEGAL_PARAMETER",
    UnknownCA "unknown_ca" "UNKNOWN_CA",
    AccessDenied "access_denied" "ACCESS_DENIED",
    DecodeError "decode_error" "DECODE_ERROR",
    DecryptError "decrypt_error" "DECRYPT_ERROR",
    ExportRestriction "export_restriction" "EXPORT_RESTRICTION",
    ProtocolVersion "protocol_version" "PROTOCOL_VERSION",
    InsufficientSecurity "insufficient_security" "INSUFFICIENT_SECURITY",
    InternalError "internal_error" "INTERNAL_ERROR",
    InappropriateFallback "inappropriate_fallback" "INAPPROPRIATE_FALLBACK",
    UserCanceled "user_canceled" "USER_CANCELED",
    NoRenegotiation "no_renegotiation" "NO_RENEGOTIATION",
    MissingExtension "missing_extension" "MISSING_EXTENSION",
    UnsupportedExtension "unsupported_extension" "UNSUPPORTED_EXTENSION",
    UnrecognisedName "unrecognized_name" "UNRECOGNIZED_NAME",
    BadCertificateStatusResponse "bad_certificate_status_response" "BAD_CERTIFICATE_STATUS_RESPONSE",
    UnknownPSKIdentity "unknown_psk_identity" "UNKNOWN_PSK_IDENTITY",
    CertificateRequired "certificate_required" "CERTIFICATE_REQUIRED",
    NoApplicationProtocol "no_application_protocol" "NO_APPLICATION_PROTOCOL",
    EncryptedClientHelloRequired "ech_required" "ECH_REQUIRED",
];

fn known(description: AlertDescription) -> Option<&'static KnownAlert> {
    ALERTS.iter().find(|known| known.description == description)
}

/// An alert's name in RFC 8446 §6.
pub(super) fn alert_name(description: AlertDescription) -> &'static str {
    known(description).map_or("unknown", |known| known.name)
}

fn code_sent(description: AlertDescription) -> &'static str {
    known(description).map_or("BUSBAR_TLS_FAILURE", |known| known.sent)
}

fn code_received(description: AlertDescription) -> &'static str {
    known(description).map_or("BUSBAR_TLS_ALERT_UNKNOWN", |known| known.received)
}
