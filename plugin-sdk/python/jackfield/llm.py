"""Asking models from inside a plugin. A capability: a plugin that imports this module is loaded only with the grant
`llm`. A call is charged to the request being decided about and never enters routing again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, Mapping, Sequence

from . import _check, _host
from .response import TokenUsage
from .router import _REASONING, Reasoning

_llm = _host.functions("llm")
_types = _host.functions("types")
_REFUSED = _host.error_type()

Reason = Literal["unknown-model", "budget-exceeded", "timed-out", "failed"]


class LlmError(Exception):
    """There is no answer; `reason` says why."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


@_host.record("llm", "Completion")
@dataclass
class Completion:
    """A model's answer."""

    text: str
    """Its text."""
    usage: TokenUsage | None = None
    """What it consumed, if the provider said."""


def complete(
    model: str,
    prompt: str | Sequence[Mapping[str, str]],
    *,
    system: str | None = None,
    temperature: float | None = None,
    max_output_tokens: int | None = None,
    reasoning: Reasoning | None = None,
    response_schema: Mapping[str, Any] | str | None = None,
) -> Completion:
    """Asks a model. The prompt is a text, or messages as `{"role": "user", "content": "…"}`; what is left out is the
    model's own default; `response_schema` is a JSON schema that the answer is to follow. Raises `LlmError`."""
    messages: list[tuple[str, str]] = [] if system is None else [("system", system)]
    if isinstance(prompt, str):
        messages.append(("user", prompt))
    else:
        messages += [(message["role"], message["content"]) for message in prompt]
    messages = [(_check.text(role, "a role"), _check.text(text, "a message")) for role, text in messages]
    if reasoning is not None and reasoning not in _REASONING:
        raise ValueError(f"reasoning must be one of {', '.join(_REASONING)}, not {reasoning!r}")
    if max_output_tokens is not None:
        _check.whole(max_output_tokens, "max_output_tokens", 1, 2**32 - 1)
    if response_schema is not None and not isinstance(response_schema, str):
        response_schema = json.dumps(response_schema)
    options = (None if temperature is None else float(temperature), max_output_tokens, reasoning, response_schema)
    return _call(_llm.complete, _check.text(model, "model"), *_crossing(messages, options))


def embed(model: str, texts: Sequence[str]) -> list[list[float]]:
    """Embeds texts; one vector for each, in order. Raises `LlmError`."""
    return _call(_llm.embed, _check.text(model, "model"), _check.texts(texts, "texts"))


def _crossing(messages: list[tuple[str, str]], options: tuple[Any, ...]) -> tuple[Any, Any]:
    if not _host.IN_COMPONENT:
        names = ("temperature", "max_output_tokens", "reasoning", "response_schema")
        return [{"role": role, "content": text} for role, text in messages], dict(zip(names, options))
    temperature, tokens, reasoning, schema = options
    level = None if reasoning is None else getattr(_types.ReasoningLevel, reasoning.upper())
    return [_llm.LlmMessage(*message) for message in messages], _llm.Options(temperature, tokens, level, schema)


def _call(function, *arguments):  # type: ignore[no-untyped-def]
    try:
        return function(*arguments)
    except _REFUSED as error:
        value = _host.failure(error)
        if isinstance(value, LlmError):
            raise value from None
        # The bindings name a case `LlmError_TimedOut`.
        case = type(value).__name__.removeprefix("LlmError_")
        name = "".join(f"-{c.lower()}" if c.isupper() else c for c in case).lstrip("-")
        raise LlmError(name, getattr(value, "value", "")) from None  # type: ignore[arg-type]
