"""The models a router may choose from: what they are, and how they do at the moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Iterator

from . import _check, _host

_models = _host.functions("models")


@_host.record("models", "ModelInfo")
@dataclass
class ModelInfo:
    """What a model is: its price, its bounds and its abilities. `None` means: not known."""

    name: str
    """The model's name."""
    provider: str
    """The provider that serves it."""
    context_window: int | None = None
    """The longest conversation it takes, in tokens."""
    max_output_tokens: int | None = None
    """The longest answer it gives, in tokens."""
    input_usd_per_mtok: float | None = None
    """US dollars for a million input tokens."""
    output_usd_per_mtok: float | None = None
    """US dollars for a million output tokens."""
    tags: list[str] = field(default_factory=list)
    """The words the configuration marks it with."""
    capabilities: list[str] = field(default_factory=list)
    """What it can do, of: `tools`, `vision`, `response_schema`, `reasoning`. Unknown abilities are not listed."""

    def can(self, capability: str) -> bool:
        """Whether it is known to have this ability."""
        return capability in self.capabilities

    def has_tag(self, tag: str) -> bool:
        """Whether the configuration marks it with this word."""
        return tag in self.tags

    def cost_usd(self, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars for a call of so many tokens at list price; `None` when a price is not known."""
        if self.input_usd_per_mtok is None or self.output_usd_per_mtok is None:
            return None
        return (input_tokens * self.input_usd_per_mtok + output_tokens * self.output_usd_per_mtok) / 1_000_000


@_host.record("models", "LiveState")
@dataclass
class LiveState:
    """How a model does at the moment, as this host sees it. Latencies are in milliseconds over the last calls (at most
    256, at most a minute old); `None` means: no call yet."""

    healthy: bool = True
    """Whether it answers at present, as far as this host knows."""
    in_flight: int = 0
    """Calls of it now under way from this host."""
    p50_ms: float | None = None
    """Half of the calls took no longer."""
    p95_ms: float | None = None
    """Nineteen calls of twenty took no longer."""
    first_token_p50_ms: float | None = None
    """Half of the calls began to answer no later."""
    error_rate: float = 0.0
    """The share of those calls that failed, 0 to 1."""
    rate_limit_headroom: float | None = None
    """The share of its rate limit still free, 0 to 1, if the provider says."""


def names() -> list[str]:
    """The names of all models the host's configuration declares or refers to, in order of name."""
    return _models.names()


def info(name: str) -> ModelInfo | None:
    """What a model is; `None` when there is none of that name."""
    return _models.info(_check.text(name, "name"))


def live(name: str) -> LiveState | None:
    """How a model does; `None` when there is none of that name."""
    return _models.live(_check.text(name, "name"))


def all() -> Iterator[ModelInfo]:
    """What every model is, in order of name. One host call for each."""
    return (known for known in map(_models.info, _models.names()) if known is not None)
