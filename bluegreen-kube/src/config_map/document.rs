//! Records as text. The envelope is read first, so that one of a newer format is at least that.

use std::collections::BTreeMap;

use bluegreen_core::release::FORMAT;
use bluegreen_core::{Document, Envelope, Record};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The members of an object, each as it is written.
type Members = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Header {
    format: u32,
    envelope: Envelope,
}

/// Reads what a store holds.
///
/// # Errors
/// What is wrong with the text, with line and column.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    let header: Header = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if header.format > FORMAT {
        let (format, envelope) = (header.format, header.envelope);
        return Ok(Document::Newer { format, envelope, text: text.to_owned() });
    }
    if header.format < FORMAT {
        let format = header.format;
        return Err(format!("found a record of format {format}, wanted {FORMAT} or newer"));
    }
    let record: Record = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(Document::Current(record))
}

/// Writes what [`parse`] reads. Of a newer format nothing but the envelope is touched, and in that
/// nothing that this version does not know.
///
/// # Errors
/// That the text that was once read is no record.
pub(super) fn print(document: &Document) -> Result<String, String> {
    let text = match document {
        Document::Current(record) => serde_json::to_string(record),
        Document::Newer { envelope, text, .. } => with_envelope(text, envelope),
        _ => return Err("this store does not know such a document".to_owned()),
    };
    text.map_err(|error| error.to_string())
}

fn with_envelope(text: &str, envelope: &Envelope) -> serde_json::Result<String> {
    let mut record: Members = serde_json::from_str(text)?;
    let mut members: Members = match record.get("envelope") {
        Some(found) => serde_json::from_str(found.get())?,
        None => Members::new(),
    };
    let known: Members = serde_json::from_str(&serde_json::to_string(envelope)?)?;
    members.extend(known);
    record.insert("envelope".to_owned(), serde_json::value::to_raw_value(&members)?);
    serde_json::to_string(&record)
}
