//! Origins of the web, as `CORS_ORIGINS` names them.

/// Which pages in browsers may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Those of these origins, in the letters that browsers send.
    These(Vec<String>),
    /// Those of every origin.
    Every,
}

impl Default for Origins {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl Origins {
    /// Reads a list of origins, or `*` alone.
    pub fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self::Every);
        }
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let origins =
            parts.map(|part| is_origin(part).then(|| part.to_owned())).collect::<Option<Vec<_>>>()?;
        (!origins.is_empty()).then_some(Self::These(origins))
    }
}

/// Whether it is scheme, host and perhaps a port as browsers write them: in lower case, without the scheme's own port,
/// and with nothing behind. Anything else would never be sent, and a page would wait for it in vain.
fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let (host, port) = match authority.rsplit_once(':') {
        // A colon inside brackets is part of an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let is_letter = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':')
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    !host.is_empty() && host.bytes().all(is_letter) && port.is_none_or(is_port) && !authority.ends_with(usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_send_them() {
        let these = |list: &[&str]| Some(Origins::These(list.iter().map(ToString::to_string).collect()));
        assert_eq!(
            Origins::parse("https://a.example.com, http://localhost:3000,http://[::1]:8080"),
            these(&["https://a.example.com", "http://localhost:3000", "http://[::1]:8080"])
        );
        assert_eq!(Origins::parse(" * "), Some(Origins::Every));
        for bad in [
            "a.example.com",
            "https://",
            "https://a/",
            "https://a/path",
            "https://A",
            "https://a:443",
            "http://a:80",
            "https://a:x",
            "https://a:099",
            "ftp://a",
            "null",
            "https://a,*",
            "https://*.example.com",
            "https://u@a",
        ] {
            assert_eq!(Origins::parse(bad), None, "{bad}");
        }
    }
}
