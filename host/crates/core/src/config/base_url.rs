//! Where an API is: scheme, host and the path its endpoints hang under.

use http::Uri;

/// An http or https address without user, query, fragment or trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    exposed: bool,
}

/// Why a text is not such an address. Fits behind "`base_url` …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not an absolute address at all.
    #[error("is not an address: {0}")]
    NotAnAddress(String),
    /// A scheme that is neither http nor https.
    #[error("must begin with http:// or https://")]
    Scheme,
    /// A user or password in it: those would be logged.
    #[error("must not hold a user or password; use `api_key` or `headers`")]
    User,
    /// A query or fragment: endpoints are appended to the path.
    #[error("must not hold `?` or `#`")]
    Query,
}

impl BaseUrl {
    /// Checks an address. A trailing slash is taken off.
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        if text.contains(['?', '#']) {
            return Err(BaseUrlError::Query);
        }
        let uri: Uri =
            text.parse().map_err(|e: http::uri::InvalidUri| BaseUrlError::NotAnAddress(e.to_string()))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BaseUrlError::Scheme),
        };
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(BaseUrlError::User);
        }
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err(BaseUrlError::NotAnAddress("it names no host".into()));
        }
        let local = host == "localhost"
            || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        Ok(Self { text: text.trim_end_matches('/').to_owned(), exposed: !secure && !local })
    }

    /// The address, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, without its port.
    pub(crate) fn host(&self) -> &str {
        let authority =
            self.text.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or("");
        match authority.rsplit_once(':') {
            // The colons of an IPv6 address stand in its brackets.
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        }
    }

    /// Whether what is sent there crosses a network unencrypted.
    pub(crate) fn is_exposed(&self) -> bool {
        self.exposed
    }

    /// Stands in while the rest of a faulty configuration is checked; never gets out of there.
    pub(crate) fn unusable() -> Self {
        Self { text: String::new(), exposed: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_addresses_and_only_those() {
        let url = BaseUrl::parse("http://127.0.0.1:11434/v1/").unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:11434/v1");
        for (text, host) in [
            ("https://api.openai.com/v1", "api.openai.com"),
            ("https://api.openai.com:443", "api.openai.com"),
            ("http://[::1]:1/v1", "[::1]"),
            ("http://[::1]/v1", "[::1]"),
        ] {
            assert_eq!(BaseUrl::parse(text).unwrap().host(), host);
        }
        assert_eq!(BaseUrl::unusable().host(), "");
        assert!(!url.is_exposed() && BaseUrl::parse("http://example.com").unwrap().is_exposed());
        assert!(!BaseUrl::parse("http://[::1]:1/v1").unwrap().is_exposed());
        for (text, why) in [
            ("", "not an address"),
            ("api.openai.com", "http://"),
            ("/v1", "http://"),
            ("ftp://a/b", "http://"),
            ("https://u:p@a/b", "password"),
            ("https://a/b?c", "`?`"),
            ("https://a/b#c", "`#`"),
            ("https://a b/", "not an address"),
        ] {
            let error = BaseUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
