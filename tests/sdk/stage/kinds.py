"""Every kind of provider that the tests go through."""

from .openai_api import OpenAi

KINDS = {provider.kind: provider for provider in [OpenAi]}

# The models of each kind, by their ids there; tests name them `KIND-ID`.
IDS = ["ok", "two-calls", "breaks", "fails-400", "fails-401", "fails-429", "fails-500"]
