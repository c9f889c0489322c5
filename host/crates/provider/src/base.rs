//! Where an API is: its address, read once, and what is below it.
//!
//! What is below comes from a `Speech`, which has every model's id as one escaped segment: nothing here gets out of the
//! base's path.

use reqwest::Url;

use jackfield_core::config::BaseUrl;

/// An API's address.
pub(crate) struct Base {
    url: Url,
    /// Its path, without a slash at the end.
    path: String,
    /// The version that every call names in its query.
    api_version: Option<String>,
}

impl Base {
    /// Reads the address.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn of(base: &BaseUrl, api_version: Option<&str>) -> Result<Self, String> {
        let url = Url::parse(base.as_str()).map_err(|e| e.to_string())?;
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { url, path, api_version: api_version.map(str::to_owned) })
    }

    /// The address of what is below: its path without a leading slash, its ids escaped. May have a query.
    pub(crate) fn address(&self, below: &str) -> Url {
        let (below, query) = match below.split_once('?') {
            Some((below, query)) => (below, Some(query)),
            None => (below, None),
        };
        let mut url = self.url.clone();
        url.set_path(&format!("{}/{below}", self.path));
        url.set_query(query);
        if let Some(version) = &self.api_version {
            url.query_pairs_mut().append_pair("api-version", version);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_stays_below_as_it_is_escaped() {
        let deep = "https://host:8443/a%20b/v1/";
        let rows = [
            ("https://host", None, "chat/completions", "https://host/chat/completions"),
            ("https://host/", None, "chat/completions", "https://host/chat/completions"),
            (deep, None, "chat/completions", "https://host:8443/a%20b/v1/chat/completions"),
            (
                deep,
                None,
                "models/g:streamGenerateContent?alt=sse",
                "https://host:8443/a%20b/v1/models/g:streamGenerateContent?alt=sse",
            ),
            (
                "http://[::1]:1/x",
                None,
                "model/a%2F..%2Fb%3Ac/converse",
                "http://[::1]:1/x/model/a%2F..%2Fb%3Ac/converse",
            ),
            (
                "http://h/x",
                None,
                "model/..%2F..%2Fy%3Fz%23w%25/converse",
                "http://h/x/model/..%2F..%2Fy%3Fz%23w%25/converse",
            ),
            ("http://h/x", None, "model/a..b~c/converse", "http://h/x/model/a..b~c/converse"),
            (
                "http://h/x",
                Some("2024-10-21"),
                "openai/deployments/a%25/embeddings",
                "http://h/x/openai/deployments/a%25/embeddings?api-version=2024-10-21",
            ),
            ("http://h", Some("a b&c"), "p?q=1", "http://h/p?q=1&api-version=a+b%26c"),
        ];
        for (base, version, below, want) in rows {
            let parsed = BaseUrl::parse(base).unwrap();
            let base = Base::of(&parsed, version).unwrap();
            assert_eq!(base.address(below).as_str(), want);
            // As it was when the whole was read anew for each call.
            let mut whole = Url::parse(&format!("{}/{below}", parsed.as_str())).unwrap();
            if let Some(version) = version {
                whole.query_pairs_mut().append_pair("api-version", version);
            }
            assert_eq!(base.address(below), whole);
        }
    }
}
