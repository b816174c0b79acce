//! The audit as administrators read it.

use super::AdminService;
use crate::audit::Record;
use crate::pb::v1;
use crate::service::convert::{self, Faults, PlaceText};
use crate::service::{Error, page};

impl AdminService {
    pub(super) async fn records(
        &self,
        mut message: v1::ListAuditRecordsRequest,
    ) -> Result<v1::ListAuditRecordsResponse, Error> {
        let size = page::size(std::mem::take(&mut message.page_size))?;
        let token = std::mem::take(&mut message.page_token);
        let listing = page::Listing::new("ListAuditRecords", &message);
        let mut faults = Faults::default();
        let filter = convert::filter("filter", message.filter, &mut faults);
        let filter = faults.or(Some(filter))?;
        let after: Option<PlaceText> = listing.parsed(&token)?;
        let after = after.map(|place| place.0);
        let rows = self.store.records(&filter, after, !message.oldest_first, page::rows(size)).await?;
        let position = |record: &Record| PlaceText::of(record).to_string();
        let (records, next_page_token) =
            listing.fill(rows, size, position, |record| convert::record(&record));
        Ok(v1::ListAuditRecordsResponse { records, next_page_token })
    }
}
