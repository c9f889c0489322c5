"""Every kind of provider that the tests go through, some of them in several ways."""

from .anthropic_api import Anthropic
from .azure_api import Azure, DatedAzure
from .bedrock_api import Bedrock, KeyedBedrock
from .gemini_api import Gemini, OlderGemini
from .openai_api import OpenAi

PROVIDERS = [OpenAi, Anthropic, Azure, DatedAzure, Bedrock, KeyedBedrock, Gemini, OlderGemini]
KINDS = {provider.name: provider for provider in PROVIDERS}
# Those who speak OpenAI's API: what a client of it sends reaches them as it is.
NATIVE = [name for name, provider in KINDS.items() if issubclass(provider, OpenAi)]
