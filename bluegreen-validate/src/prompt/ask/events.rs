//! Server-sent events, as they arrive.

use bluegreen_core::AnswerBody;

use super::Reply;

/// Calls `each` with the data of every event, at most `limit` bytes in all.
///
/// # Errors
/// The first of what `each` says, or that the stream broke off: it is lost then, also when what is
/// there of its last event is none.
pub(in crate::prompt) async fn each(
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
    let Some(data) = lines.end() else { return Ok(()) };
    // Nothing ended it, so that it is none because it was cut off.
    each(&data).map_err(|reply| match reply {
        Reply::Malformed(why) => Reply::Lost(format!("a stream that broke off: {why}")),
        other => other,
    })
}

/// Cuts a stream into lines, and those into events.
#[derive(Default)]
struct Lines {
    left: Vec<u8>,
    /// How much of what is left has been looked at.
    at: usize,
    /// From there on it has not been searched for the end of a line.
    searched: usize,
    data: Option<String>,
}

impl Lines {
    fn add(&mut self, piece: &[u8]) {
        self.left.drain(..self.at);
        self.searched = self.searched.saturating_sub(self.at);
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
        let rest = &self.left[self.searched..];
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            self.searched = self.left.len();
            return None;
        };
        let end = self.searched + end;
        self.searched = end;
        let length = match (self.left[end], self.left.get(end + 1)) {
            (b'\r', Some(b'\n')) => 2,
            // Whether a line feed follows is not known yet.
            (b'\r', None) => return None,
            _ => 1,
        };
        let line = String::from_utf8_lossy(&self.left[self.at..end]).into_owned();
        self.at = end + length;
        self.searched = self.at;
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

    #[test]
    fn an_unfinished_line_is_searched_once() {
        let mut lines = Lines::default();
        for piece in ["data: a\n\nda", "ta: ", "b", "c\r"] {
            lines.add(piece.as_bytes());
            while lines.next_event().is_some() {}
            let known = lines.left.len() - usize::from(piece.ends_with('\r'));
            assert_eq!(lines.searched, known, "after {piece:?}");
        }
        lines.add(b"\n\r\n");
        assert_eq!(lines.next_event().as_deref(), Some("bc"));
    }

    #[tokio::test]
    async fn a_stream_that_ends_in_an_event_that_is_none_is_lost() {
        let read = async |text: &'static str| {
            let body = AnswerBody::full(text);
            each(body, 1000, |data| {
                let read: Result<serde_json::Value, _> = serde_json::from_str(data);
                read.map(drop).map_err(|error| Reply::Malformed(error.to_string()))
            })
            .await
        };
        for cut in ["data: {\"a\": 1}\n\ndata: {\"a\"", "data: [1,\n"] {
            assert!(matches!(read(cut).await, Err(Reply::Lost(_))), "{cut}");
        }
        assert!(matches!(read("data: {\n\ndata: 1\n\n").await, Err(Reply::Malformed(_))));
        // Some servers leave out what ends the last event.
        assert!(read("data: {\"a\": 1}\n\ndata: {\"a\": 1}").await.is_ok());
    }
}
