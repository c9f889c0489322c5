"""The answer that is judged. As with `Request`, texts are copied from the host when they are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from . import _check, _host

# A router's world does not have it.
_response = _host.functions("response")

FinishReason = Literal["stop", "length", "tool-calls", "content-filter", "unknown"]


@dataclass
class ToolCall:
    """A call the model wants made."""

    id: str
    """The provider's id of the call."""
    name: str
    """The function's name."""
    arguments: str
    """The arguments as JSON text, as the model wrote them."""


@_host.record("types", "TokenUsage")
@dataclass
class TokenUsage:
    """Token counts of one call, as the provider reported them."""

    input_tokens: int
    """Tokens of the prompt, cached ones included."""
    output_tokens: int
    """Tokens of the answer, reasoning included."""
    cached_input_tokens: int = 0
    """Those of the prompt that came from the provider's cache."""
    reasoning_tokens: int = 0
    """Those of the answer that were spent on reasoning."""


def finish_name(reason: Any) -> FinishReason:
    """A reason as authors see it; the bindings have an enum for it."""
    name: FinishReason = reason if isinstance(reason, str) else reason.name.lower().replace("_", "-")
    return name


@_host.record("types", "ResponseSummary")
@dataclass
class Response:
    """The answer that is judged."""

    model: str
    """The model that answered, by the gateway's name."""
    attempt: int
    """Which attempt this is; the first is 1."""
    finish: FinishReason
    """Why the model stopped."""
    text_length: int
    """The answer's length in bytes of text."""
    tool_call_count: int
    """How many tools it wants called."""

    @cached_property
    def text(self) -> str:
        """The answer's text; empty when it has none."""
        return _response.text()

    @cached_property
    def body(self) -> str:
        """The answer's body as JSON text."""
        return _response.body()

    @cached_property
    def tool_calls(self) -> list[ToolCall]:
        """The calls the model wants made."""
        return _response.tool_calls() if self.tool_call_count else []

    @cached_property
    def usage(self) -> TokenUsage | None:
        """What the call consumed, if the provider said."""
        return _response.usage()

    def json(self) -> Any:
        """The answer's text read as JSON; a `json.JSONDecodeError` says where it is none."""
        return json.loads(self.text)

    def value(self, pointer: str = "") -> Any:
        """One value of the answer's body by its JSON pointer (RFC 6901), read from JSON; `None` when it is not there.
        Without a pointer the whole body."""
        found = self.body if pointer == "" else _response.body_pointer(_check.text(pointer, "pointer"))
        return None if found is None else json.loads(found)
