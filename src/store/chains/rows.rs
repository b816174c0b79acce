//! Records on their way into the database, in the shape that each dialect takes many of at once.

use crate::audit::content::hex;
use crate::audit::machine::Batch;
use crate::audit::record::{Field, Kind, Record};

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

/// A batch turned by columns, as PostgreSQL takes it.
pub(super) struct Columns<'a> {
    rows: Vec<[(&'static str, Field<'a>); 34]>,
}

impl<'a> Columns<'a> {
    pub(super) fn new(records: &'a [Record]) -> Self {
        Self { rows: records.iter().map(Record::fields).collect() }
    }

    fn column(&self, name: &'static str) -> impl Iterator<Item = Option<&Field<'a>>> {
        self.rows
            .iter()
            .map(move |row| row.iter().find(|(column, _)| *column == name).map(|(_, field)| field))
    }

    pub(super) fn texts(&self, name: &'static str) -> Vec<Option<String>> {
        self.column(name)
            .map(|field| match field {
                Some(Field::Text(text)) => text.map(str::to_owned),
                Some(Field::Made(text)) => text.clone(),
                Some(Field::Bytes(_) | Field::Integer(_) | Field::Flag(_)) | None => None,
            })
            .collect()
    }

    pub(super) fn bytes(&self, name: &'static str) -> Vec<Option<Vec<u8>>> {
        self.column(name)
            .map(|field| match field {
                Some(Field::Bytes(bytes)) => bytes.map(<[u8]>::to_vec),
                Some(Field::Text(_) | Field::Made(_) | Field::Integer(_) | Field::Flag(_)) | None => None,
            })
            .collect()
    }

    pub(super) fn integers(&self, name: &'static str) -> Vec<Option<i64>> {
        self.column(name)
            .map(|field| match field {
                Some(Field::Integer(integer)) => *integer,
                Some(Field::Text(_) | Field::Made(_) | Field::Bytes(_) | Field::Flag(_)) | None => None,
            })
            .collect()
    }

    pub(super) fn flags(&self, name: &'static str) -> Vec<Option<bool>> {
        self.column(name)
            .map(|field| match field {
                Some(Field::Flag(flag)) => *flag,
                Some(Field::Text(_) | Field::Made(_) | Field::Bytes(_) | Field::Integer(_)) | None => None,
            })
            .collect()
    }
}

/// A record as the JSON object that SQLite takes apart; bytes in hexadecimal.
pub(super) fn row_json(record: &Record) -> serde_json::Value {
    let mut row: serde_json::Map<_, _> = record
        .fields()
        .into_iter()
        .filter_map(|(name, field)| {
            let value = match field {
                Field::Text(text) => text?.into(),
                Field::Made(text) => text?.into(),
                Field::Bytes(bytes) => hex(bytes?).into(),
                Field::Integer(integer) => integer?.into(),
                Field::Flag(flag) => i64::from(flag?).into(),
            };
            Some((name.to_owned(), value))
        })
        .collect();
    row.insert("hash".into(), hex(&record.hash).into());
    if let Some(content) = &record.entry.content {
        row.insert("salt".into(), hex(&content.salt).into());
        row.insert("content".into(), hex(&content.bytes).into());
    }
    row.into()
}
