//! What a PostgreSQL URL asks for beyond the database: a parameter that is misspelt must not pass, since the connection
//! would be made without it, in plain text perhaps.

use std::net::IpAddr;

/// Parameters that are understood, apart from `options[NAME]`.
const PARAMETERS: [&str; 11] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "options",
    "application_name",
];

/// Values of `sslmode`. libpq's `allow` is not among them: it would be plain text.
const MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

/// What is wrong with the parameters of `url`, and what is accepted. Shows no value but that of `sslmode`.
pub fn fault(url: &str) -> Option<(String, String)> {
    parameters(url).find_map(|(name, value)| {
        let is_option = name.starts_with("options[") && name.ends_with(']');
        if !is_option && !PARAMETERS.contains(&name) {
            let wrong = format!("has the parameter `{name}`, which is not known");
            return Some((wrong, format!("`{}`", PARAMETERS.join("`, `"))));
        }
        if name == "sslmode" && !MODES.contains(&value) {
            let wrong = format!("has `sslmode={value}`");
            return Some((wrong, format!("`sslmode` of `{}`", MODES.join("`, `"))));
        }
        None
    })
}

/// The `sslmode` of a URL by which the server's certificate is not looked at, although the way leads off this machine.
pub fn unverified(url: &str) -> Option<&str> {
    let mode =
        parameters(url).filter(|(name, _)| *name == "sslmode").last().map_or("prefer", |(_, mode)| mode);
    (mode != "verify-full" && !is_local(url)).then_some(mode)
}

fn parameters(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Whether the way stays on this machine: loopback, or a Unix socket.
fn is_local(url: &str) -> bool {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let named = place
        .strip_prefix('[')
        .and_then(|v6| v6.split_once(']'))
        .map_or_else(|| place.split(':').next().unwrap_or(""), |(address, _)| address);
    let host = parameters(url).filter(|(name, _)| *name == "host").last().map_or(named, |(_, host)| host);
    let is_socket = host.is_empty() || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    is_socket
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_not_known_is_a_fault() {
        for url in [
            "postgresql://u@h/d",
            "postgresql://u@h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgresql://u@h/d?options[search_path]=guard",
        ] {
            assert_eq!(fault(url), None, "{url}");
        }
        for (url, word) in [
            ("postgresql://u@h/d?ssl_mode=verify-full", "`ssl_mode`"),
            ("postgresql://u@h/d?sslmode=verify_full", "`sslmode=verify_full`"),
            ("postgresql://u@h/d?sslmode=allow", "`sslmode=allow`"),
            ("postgresql://u@h/d?sslmode=require&sslrootcrt=x", "`sslrootcrt`"),
        ] {
            assert!(fault(url).unwrap().0.contains(word), "{url}");
        }
    }

    #[test]
    fn only_a_verified_or_local_way_is_silent() {
        for url in [
            "postgresql://u:p@db.example:5432/d?sslmode=verify-full",
            "postgresql://u@127.0.0.1:5432/d",
            "postgresql://u@[::1]:5432/d",
            "postgresql://u@localhost/d",
            "postgresql:///d?host=/run/postgresql",
            "postgresql://%2Frun%2Fpostgresql/d",
        ] {
            assert_eq!(unverified(url), None, "{url}");
        }
        assert_eq!(unverified("postgresql://u:p@db.example/d"), Some("prefer"));
        assert_eq!(unverified("postgresql://u@localhost/d?host=db.example&sslmode=require"), Some("require"));
        assert_eq!(unverified("postgresql://u@10.0.0.1/d?sslmode=verify-ca"), Some("verify-ca"));
    }
}
