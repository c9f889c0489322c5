//! Amazon Bedrock: asked with an API key, or with requests that are signed (AWS Signature Version 4).
//!
//! The signature is `aws-sigv4`'s work. What is signed is the method, the path, the body, the host, the body's type and
//! the time; nothing else is handed to that crate, because it writes what it gets into its log at the loudest level.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use reqwest::Request;

use jackfield_core::config::{ApiProvider, AwsSigning};
use jackfield_dialect::bedrock::ConverseSpeech;

use crate::api::{Auth, Kind};

/// What the service is called in signatures.
const SERVICE: &str = "bedrock";

/// What is particular to it.
pub(crate) fn kind(settings: &ApiProvider) -> Kind {
    let auth = match &settings.aws {
        Some(signing) => Auth::Signature(Signer::new(signing)),
        None => Auth::Key(AUTHORIZATION, "Bearer "),
    };
    Kind { speech: &ConverseSpeech, headers: &[], auth }
}

/// Signs requests.
pub(crate) struct Signer {
    credentials: Credentials,
    region: String,
}

impl Signer {
    fn new(signing: &AwsSigning) -> Self {
        let AwsSigning { region, access_key_id, secret_access_key, session_token, .. } = signing;
        let credentials = Credentials::new(
            access_key_id.expose(),
            secret_access_key.expose(),
            session_token.as_ref().map(|token| token.expose().to_owned()),
            None,
            "configuration",
        );
        Self { credentials, region: region.clone() }
    }

    /// Adds the headers that prove who asks. The request's address must be final, its path already escaped.
    ///
    /// # Errors
    /// Its address has no host, or a header cannot be written.
    pub(crate) fn sign(
        &self,
        request: &mut Request,
        body: &[u8],
        now: SystemTime,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
            // As Bedrock wants it: the path is escaped once more, the session's token is signed.
            .settings(SigningSettings::default())
            .build()?
            .into();
        let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::to_str).transpose()?;
        let signed = SignableRequest::new(
            request.method().as_str(),
            request.url().as_str(),
            content_type.iter().map(|value| (CONTENT_TYPE.as_str(), *value)),
            SignableBody::Bytes(body),
        )?;
        let (instructions, _) = sign(signed, &params)?.into_parts();
        for header in instructions.into_parts().0 {
            let mut value = HeaderValue::from_str(header.value())?;
            value.set_sensitive(true);
            request.headers_mut().insert(HeaderName::from_static(header.name()), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
