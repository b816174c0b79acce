//! `VerifyAudit`.

use super::{AdminService, Answers, Caller};
use crate::pb::v1;
use crate::service::Error;

impl AdminService {
    pub(super) fn verify(
        &self,
        _caller: &Caller,
        _message: v1::VerifyAuditRequest,
    ) -> Result<Answers<v1::VerifyAuditResponse>, Error> {
        Err(Error::Unimplemented)
    }
}
