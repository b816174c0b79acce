//! What stands behind the `?`: names, each once. What is not asked for is ignored.

use crate::clock::Timestamp;
use crate::pb::v1;
use crate::server::gateway::template::decoded;
use crate::service::Error;
use crate::service::convert::{Faults, timestamp_message};

/// Items of a list where nobody says how many, as in the Python AgentGuard.
const USUAL: usize = 100;

/// Items of a list at most.
pub const MAX_LIMIT: usize = 1_000;

/// Items that may be passed over. Each is read all the same; `/v1` has tokens for going on.
pub const MAX_SKIP: usize = 10_000;

/// The parameters, in their order.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) skip: usize,
    pub(super) limit: usize,
}

impl Query {
    /// Reads a query.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let plain = |text: &str| {
            decoded(&text.replace('+', " "))
                .map_err(|_| Error::Malformed("its query is no percent-encoded UTF-8"))
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((plain(name)?, plain(value)?))
        };
        pairs.map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `name`; absent is empty.
    pub(super) fn text(&self, name: &str, faults: &mut Faults) -> String {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value);
        let value = values.next().cloned().unwrap_or_default();
        if values.next().is_some() {
            faults.add(name, "is given twice");
        }
        value
    }

    /// A flag, as Python's clients write it too.
    pub(super) fn flag(&self, name: &str, faults: &mut Faults) -> Option<bool> {
        match self.text(name, faults).to_ascii_lowercase().as_str() {
            "" => None,
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                faults.add(name, "is neither `true` nor `false`");
                None
            }
        }
    }

    /// A point in time.
    pub(super) fn time(&self, name: &str, faults: &mut Faults) -> Option<prost_types::Timestamp> {
        let text = self.text(name, faults);
        if text.is_empty() {
            return None;
        }
        // Python's `datetime.isoformat()` of a time without a zone: it meant UTC.
        let read = Timestamp::parse(&text).or_else(|| Timestamp::parse(&format!("{text}Z")));
        if read.is_none() {
            faults.add(name, "is no time in RFC 3339, such as `2026-01-31T09:30:00Z`");
        }
        read.map(timestamp_message)
    }

    /// `limit` items after `skip` of them.
    pub(super) fn part(&self, skip: &str, faults: &mut Faults) -> Part {
        let mut number = |name: &str, usual: usize, least: usize, most: usize| {
            let text = self.text(name, faults);
            let read = if text.is_empty() { Some(usual) } else { text.parse().ok() };
            let read = read.filter(|number| (least..=most).contains(number));
            if read.is_none() {
                faults.add(name, format!("is no whole number from {least} to {most}"));
            }
            read.unwrap_or(usual)
        };
        Part { skip: number(skip, 0, 0, MAX_SKIP), limit: number("limit", USUAL, 1, MAX_LIMIT) }
    }

    /// Which records are asked for.
    pub(super) fn records(&self, faults: &mut Faults) -> v1::RecordFilter {
        v1::RecordFilter {
            agent_id: self.text("agent_id", faults),
            action: self.text("action", faults),
            allowed: self.flag("allowed", faults),
            start_time: self.time("start_time", faults),
            end_time: self.time("end_time", faults),
            ..Default::default()
        }
    }
}

/// The items of a part, gathered page by page.
#[derive(Debug)]
pub(super) struct Gathered<T> {
    part: Part,
    passed: usize,
    items: Vec<T>,
}

impl<T> Gathered<T> {
    pub(super) const fn new(part: Part) -> Self {
        Self { part, passed: 0, items: Vec::new() }
    }

    /// Takes one more; answers whether there is room for another.
    pub(super) fn take(&mut self, item: T) -> bool {
        if self.passed < self.part.skip {
            self.passed += 1;
        } else if self.items.len() < self.part.limit {
            self.items.push(item);
        }
        self.items.len() < self.part.limit
    }

    pub(super) fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str) -> Result<Part, Vec<String>> {
        let query = Query::parse(text).unwrap();
        let mut faults = Faults::default();
        let part = query.part("offset", &mut faults);
        faults.or(Some(part)).map_err(|error| {
            let Error::Invalid(faults) = error else { panic!("{error}") };
            faults.into_iter().map(|fault| fault.field).collect()
        })
    }

    #[test]
    fn a_part_has_bounds() {
        assert_eq!(part(""), Ok(Part { skip: 0, limit: 100 }));
        assert_eq!(part("limit=1000&offset=10000&x=1"), Ok(Part { skip: 10_000, limit: 1_000 }));
        for (bad, fields) in [
            ("limit=1001", vec!["limit"]),
            ("limit=0&offset=10001", vec!["offset", "limit"]),
            ("offset=-1", vec!["offset"]),
            ("limit=1&limit=2", vec!["limit"]),
        ] {
            assert_eq!(part(bad).unwrap_err(), fields, "{bad}");
        }
    }

    #[test]
    fn a_filter_reads_as_python_writes_it() {
        let text = "agent_id=agt_x&action=read%3Afile&allowed=True&start_time=2026-01-05T12:00:00&end_time=2026-01-05T13%3A00%3A00%2B01%3A00";
        let mut faults = Faults::default();
        let filter = Query::parse(text).unwrap().records(&mut faults);
        faults.or(Some(())).unwrap();
        assert_eq!((filter.action.as_str(), filter.allowed), ("read:file", Some(true)));
        assert_eq!(filter.start_time, filter.end_time);
        let mut faults = Faults::default();
        Query::parse("allowed=maybe&start_time=now").unwrap().records(&mut faults);
        assert!(faults.or(Some(())).unwrap_err().to_string().contains("and 1 more"));
        assert!(Query::parse("a=%ff").is_err());
    }

    #[test]
    fn a_part_is_gathered_and_no_more() {
        let mut gathered = Gathered::new(Part { skip: 2, limit: 2 });
        let more: Vec<bool> = (0..5).map(|item| gathered.take(item)).collect();
        assert_eq!(more, [true, true, true, false, false]);
        assert_eq!(gathered.into_items(), [2, 3]);
    }
}
