//! Records on their way into the database, in the shape that each dialect takes many of at once.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::audit::content::hex;
use crate::audit::machine::Batch;
use crate::audit::record::{Entry, Field, Kind, Record};

/// The admin records of a batch: which change each tells of.
pub(super) fn admin_rows(batch: &Batch) -> Vec<(String, i64, i64)> {
    batch
        .records
        .iter()
        .filter(|record| record.entry.kind == Kind::Admin)
        .filter_map(|record| {
            let revision = record.entry.revision.as_ref()?;
            Some((revision.epoch().to_owned(), revision.number(), record.position.seq))
        })
        .collect()
}

/// One column of a batch, as PostgreSQL takes it.
pub(super) fn column<'a, T>(batch: &'a Batch, value: impl Fn(&'a Record) -> T) -> Vec<T> {
    batch.records.iter().map(value).collect()
}

/// One column of a batch that is an entry's text.
pub(super) fn texts<'a>(
    batch: &'a Batch,
    text: impl Fn(&'a Entry) -> &'a Option<String>,
) -> Vec<Option<&'a str>> {
    column(batch, |record| text(&record.entry).as_deref())
}

/// A batch's records as the JSON array that SQLite takes apart: an object each, bytes in hexadecimal, written without
/// a tree of values between.
pub(super) fn rows_json(batch: &Batch) -> String {
    // Its keys are texts, so that it cannot fail.
    serde_json::to_string(&Rows(&batch.records)).unwrap_or_default()
}

struct Rows<'a>(&'a [Record]);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Row))
    }
}

struct Row<'a>(&'a Record);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        for (name, field) in self.0.fields() {
            match field {
                Field::Text(Some(text)) => row.serialize_entry(name, text)?,
                Field::Made(Some(text)) => row.serialize_entry(name, &text)?,
                Field::Bytes(Some(bytes)) => row.serialize_entry(name, &hex(bytes))?,
                Field::Integer(Some(integer)) => row.serialize_entry(name, &integer)?,
                Field::Flag(Some(flag)) => row.serialize_entry(name, &i64::from(flag))?,
                Field::Text(None)
                | Field::Made(None)
                | Field::Bytes(None)
                | Field::Integer(None)
                | Field::Flag(None) => {}
            }
        }
        row.serialize_entry("hash", &hex(&self.0.hash))?;
        if let Some(content) = &self.0.entry.content {
            row.serialize_entry("salt", &hex(&content.salt))?;
            row.serialize_entry("content", &hex(&content.bytes))?;
        }
        row.end()
    }
}
