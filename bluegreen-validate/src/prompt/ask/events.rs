//! Server-sent events, as they arrive.

use bluegreen_core::AnswerBody;

use super::Reply;

/// Calls `each` with the data of every event, at most `limit` bytes in all.
///
/// # Errors
/// The first of what `each` says, or that the stream broke off.
pub(super) async fn each(
    mut body: AnswerBody,
    limit: usize,
    mut each: impl FnMut(&str) -> Result<(), Reply>,
) -> Result<(), Reply> {
    let (mut lines, mut size) = (Lines::default(), 0_usize);
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Reply::Lost(error.chain()))?;
        size = size.saturating_add(piece.len());
        if size > limit {
            return Err(Reply::Lost(format!("an answer of more than {limit} bytes")));
        }
        lines.add(&piece);
        while let Some(data) = lines.next_event() {
            each(&data)?;
        }
    }
    lines.end().map_or(Ok(()), |data| each(&data))
}

/// Cuts a stream into lines, and those into events.
#[derive(Default)]
struct Lines {
    left: Vec<u8>,
    /// How much of what is left has been looked at.
    at: usize,
    data: Option<String>,
}

impl Lines {
    fn add(&mut self, piece: &[u8]) {
        self.left.drain(..self.at);
        self.at = 0;
        self.left.extend_from_slice(piece);
    }

    /// The data of the next event that is there as a whole.
    fn next_event(&mut self) -> Option<String> {
        while let Some(line) = self.next_line() {
            if line.is_empty() {
                if let Some(data) = self.data.take() {
                    return Some(data);
                }
                continue;
            }
            self.take_line(&line);
        }
        None
    }

    /// The data of an event that no empty line ended. Some servers leave that out at the end.
    fn end(&mut self) -> Option<String> {
        self.add(b"\n\n");
        self.next_event()
    }

    fn take_line(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        if name != "data" {
            return;
        }
        let value = value.strip_prefix(' ').unwrap_or(value);
        match &mut self.data {
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
            None => self.data = Some(value.to_owned()),
        }
    }

    /// The next whole line without what ends it: `\n`, `\r\n` or `\r`.
    fn next_line(&mut self) -> Option<String> {
        let rest = &self.left[self.at..];
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let length = match (rest[end], rest.get(end + 1)) {
            (b'\r', Some(b'\n')) => 2,
            // Whether a line feed follows is not known yet.
            (b'\r', None) => return None,
            _ => 1,
        };
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        self.at += end + length;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(pieces: &[&str]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.add(piece.as_bytes());
            while let Some(data) = lines.next_event() {
                found.push(data);
            }
        }
        found.extend(lines.end());
        found
    }

    #[test]
    fn events_are_the_same_however_they_are_cut() {
        let whole =
            ": hello\r\nevent: x\r\ndata: a\r\n\r\ndata:b\ndata: c\n\n\ndata: ü\r\rdata: end";
        let wanted = ["a", "b\nc", "ü", "end"];
        assert_eq!(events(&[whole]), wanted);
        let bytes: Vec<char> = whole.chars().collect();
        for at in 0..bytes.len() {
            let (left, right): (String, String) =
                (bytes[..at].iter().collect(), bytes[at..].iter().collect());
            assert_eq!(events(&[&left, &right]), wanted, "cut at {at}");
        }
    }
}
