//! Request methods that llhttp knows, by its numbers.

/// A request method. RFC 9110 §9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(u8);

/// Names by number. The gaps are methods of RTSP, which llhttp refuses in HTTP.
const NAMES: [Option<&str>; 47] = [
    Some("DELETE"),
    Some("GET"),
    Some("HEAD"),
    Some("POST"),
    Some("PUT"),
    Some("CONNECT"),
    Some("OPTIONS"),
    Some("TRACE"),
    Some("COPY"),
    Some("LOCK"),
    Some("MKCOL"),
    Some("MOVE"),
    Some("PROPFIND"),
    Some("PROPPATCH"),
    Some("SEARCH"),
    Some("UNLOCK"),
    Some("BIND"),
    Some("REBIND"),
    Some("UNBIND"),
    Some("ACL"),
    Some("REPORT"),
    Some("MKACTIVITY"),
    Some("CHECKOUT"),
    Some("MERGE"),
    Some("M-SEARCH"),
    Some("NOTIFY"),
    Some("SUBSCRIBE"),
    Some("UNSUBSCRIBE"),
    Some("PATCH"),
    Some("PURGE"),
    Some("MKCALENDAR"),
    Some("LINK"),
    Some("UNLINK"),
    Some("SOURCE"),
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    None,
    Some("QUERY"),
];

impl Method {
    /// `GET`.
    pub const GET: Method = Method(1);
    /// `HEAD`.
    pub const HEAD: Method = Method(2);
    /// `POST`.
    pub const POST: Method = Method(3);
    /// `PUT`.
    pub const PUT: Method = Method(4);
    /// `CONNECT`.
    pub const CONNECT: Method = Method(5);
    /// `OPTIONS`.
    pub const OPTIONS: Method = Method(6);
    /// `TRACE`.
    pub const TRACE: Method = Method(7);
    /// `DELETE`.
    pub const DELETE: Method = Method(0);
    /// `PATCH`.
    pub const PATCH: Method = Method(28);

    /// The method with llhttp's number `number`.
    pub fn from_number(number: u8) -> Option<Method> {
        NAMES.get(usize::from(number)).copied().flatten().map(|_| Method(number))
    }

    /// llhttp's number for it.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The name as it stands in a request line.
    pub fn name(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().flatten().unwrap_or("")
    }

    /// All methods, in ascending order of their numbers.
    pub fn all() -> impl Iterator<Item = Method> {
        (0..NAMES.len() as u8).filter_map(Method::from_number)
    }

    /// Whether it is safe: requests with it may run side by side. RFC 9110 §9.2.1.
    pub fn is_safe(self) -> bool {
        matches!(self, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
    }
}
