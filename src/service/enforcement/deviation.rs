//! What a way may be told to leave out, so that a test can show that it is missed.

/// A check that a [`Way`](super::Way) leaves out.
///
/// A test that finds no stale answer proves something only if it finds them once the check is gone. So the same server
/// can be built without it, by an argument of [`build_deviating`](crate::server::build_deviating) and by nothing else:
/// no setting, flag, header or build feature leads here, since whoever could reach it could turn the promise off. The
/// fences among the tests hold that only the server's builder passes it on and that the program never names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deviation {
    /// Nothing is left out.
    #[default]
    Nothing,
    /// The revision that a commit saw is not compared with the decision's.
    RevisionUnchecked,
    /// A known decision is answered again without the read that confirms it.
    RepeatsUnconfirmed,
}
