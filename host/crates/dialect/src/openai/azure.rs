//! Azure OpenAI: chat completions under other addresses. The resource's v1 API names the model in the body; the dated
//! versions before it name the deployment in the path. The query of those, `api-version`, is the provider room's.

use bytes::Bytes;

use jackfield_core::contract::{Dialect, Fault, Reply};

use super::ChatSpeech;
use crate::path::segment;
use crate::speech::{Asked, ErrorBody, Speech, StreamReader, Written};

/// Azure OpenAI, spoken to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureSpeech {
    /// The v1 API.
    V1,
    /// A deployment of its own for each model.
    Deployments,
}

impl AzureSpeech {
    /// Where Azure has what OpenAI has at `path`.
    fn path(self, model_id: &str, path: &str) -> Result<String, Fault> {
        match self {
            Self::V1 => Ok(format!("openai/v1/{path}")),
            Self::Deployments => Ok(format!("openai/deployments/{}/{path}", segment(model_id)?)),
        }
    }
}

impl Speech for AzureSpeech {
    fn is_native(&self, dialect: Dialect) -> bool {
        ChatSpeech.is_native(dialect)
    }

    fn write(&self, asked: &Asked<'_>) -> Result<Written, Fault> {
        Ok(match ChatSpeech.write(asked)? {
            Written::Call { path, body, dropped } => {
                Written::Call { path: self.path(asked.model_id, &path)?, body, dropped }
            }
            known @ Written::Known(_) => known,
        })
    }

    fn read(&self, asked: &Asked<'_>, body: Bytes) -> Result<Reply, Fault> {
        ChatSpeech.read(asked, body)
    }

    fn reader(&self, asked: &Asked<'_>) -> Box<dyn StreamReader> {
        ChatSpeech.reader(asked)
    }

    fn error(&self, body: &[u8]) -> ErrorBody {
        ChatSpeech.error(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployments_name_stays_one_segment() {
        let path = |id| AzureSpeech::Deployments.path(id, "chat/completions");
        assert_eq!(path("gpt-4o").unwrap(), "openai/deployments/gpt-4o/chat/completions");
        assert_eq!(path("../a?b").unwrap(), "openai/deployments/..%2Fa%3Fb/chat/completions");
        for up in [".", ".."] {
            assert_eq!(path(up).unwrap_err().param.as_deref(), Some("model"), "{up}");
        }
        assert_eq!(AzureSpeech::V1.path("..", "embeddings").unwrap(), "openai/v1/embeddings");
    }
}
