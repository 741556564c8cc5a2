//! Bytes of the wire as the lines of a log.

/// A long run of one character as traces write it: `…65536×x`.
pub fn abbreviated(text: &str) -> String {
    let runs = text.as_bytes().chunk_by(|one, next| one == next);
    let shown = runs.map(|run| match run {
        [byte, ..] if run.len() > 100 => format!("…{}×{}", run.len(), char::from(*byte)),
        _ => String::from_utf8_lossy(run).into_owned(),
    });
    shown.collect()
}

/// Bytes as lines of text with visible line ends; the date, which would change, is left out.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    // An answer begins on a line of its own, whatever was sent with it.
    let text = (1..=5).fold(text.into_owned(), |text, class| {
        text.replace(&format!("HTTP/1.1 {class}"), &format!("\0HTTP/1.1 {class}"))
    });
    text.split('\0')
        .flat_map(|piece| piece.split_inclusive('\n'))
        .filter(|line| !line.starts_with("date: "))
        .map(|line| line.replace('\r', "␍").replace('\n', "␊"))
        .collect()
}
