//! Page tokens.

use agentguard::ids::AgentId;
use agentguard::pb::v1::ListAgentsRequest;
use agentguard::service::convert::PlaceText;
use agentguard::service::page::Listing;

/// `data` is a line that filters a listing, and a token, or else a position.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (team, token) = text.split_once('\n').unwrap_or(("", &text));
    let listing = |rpc, team: &str| {
        Listing::new(rpc, &ListAgentsRequest { team: team.to_owned(), ..Default::default() })
    };
    let own = listing("ListAgents", team);
    let others = [listing("ListPolicies", team), listing("ListAgents", &format!("{team}x"))];
    if let Ok(Some(position)) = own.position(token) {
        assert_eq!(own.token(&position), token, "a position has two tokens");
        for other in &others {
            assert!(other.position(token).is_err(), "{token:?} is a token of two listings");
        }
    }
    let made = own.token(token);
    match own.position(&made) {
        Ok(position) => assert_eq!(position.as_deref(), Some(token), "a token leads elsewhere"),
        Err(_) => assert!(made.len() > 64 * 1024, "a token does not read back"),
    }
    for other in &others {
        assert!(other.position(&made).is_err(), "{made:?} is a token of two listings");
    }
    if let Ok(Some(place)) = own.parsed::<PlaceText>(&made) {
        let again = own.parsed::<PlaceText>(&own.token(&place.to_string()));
        assert_eq!(again.ok().flatten(), Some(place), "a place is read in two ways");
    }
    if let Ok(Some(id)) = own.parsed::<AgentId>(&made) {
        assert_eq!(id.to_string(), token, "an id has two texts");
    }
}
