"""The request that is decided about. Its summary came with the call; everything else is asked of the host when
it is read, copied then, and kept for the rest of the call."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from . import _check, _host

_request = _host.functions("request")


@_host.record("request", "Message")
@dataclass
class Message:
    """One message of the conversation."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    text: str
    """Its whole text; several text parts are joined by a line feed."""
    has_image: bool = False
    """Whether it carries an image."""


@_host.record("types", "RequestSummary")
@dataclass
class Request:
    """The request that is decided about."""

    request_id: str
    """The host's id of the request, the same as in the response header `x-jackfield-request-id`."""
    task: str | None
    """The task the client named, if it did."""
    requested_model: str | None
    """The model the client named; `None` when it left the choice to the gateway."""
    project: str | None
    """The project of the client's key."""
    user: str | None
    """The user of the client's key."""
    streaming: bool
    """Whether the answer is to be streamed."""
    message_count: int
    """How many messages the conversation has; at least 1."""
    estimated_input_tokens: int
    """Input tokens, estimated from the texts' lengths."""
    max_output_tokens: int | None
    """The bound on the answer's tokens, if the client set one."""
    has_tools: bool
    """Whether tools are offered to the model."""
    has_images: bool
    """Whether any message carries an image."""
    has_response_schema: bool
    """Whether a JSON schema binds the answer."""
    labels: list[tuple[str, str]]
    """Labels given by earlier plugins, in order; `label(name)` finds one."""

    @cached_property
    def prompt(self) -> str:
        """The text of the last user message; empty when there is none. Copied from the host at the first read; to look
        for a word, `contains` copies nothing."""
        return _request.last_user_text()

    @cached_property
    def system(self) -> str:
        """All standing instructions, joined by a line feed; empty when there are none."""
        return _request.system_text()

    @cached_property
    def messages(self) -> list[Message]:
        """The whole conversation."""
        return _request.messages()

    @cached_property
    def body(self) -> str:
        """The request's body as JSON text, in the client's own dialect."""
        return _request.body()

    def contains(self, needle: str) -> bool:
        """Whether the prompt contains this text, to the letter. The host searches: a megabyte takes it some 50 µs."""
        return _request.contains(needle if type(needle) is str and needle.isascii() else _check.text(needle, "needle"))

    def message(self, index: int) -> Message | None:
        """One message by its place, the first being 0."""
        return _request.message_at(_check.whole(index, "index", 0, 2**32 - 1))

    def header(self, name: str) -> str | None:
        """One request header; the case of its name does not matter. Credentials are never shown."""
        return _request.header(_check.text(name, "name").lower())

    def label(self, name: str) -> str | None:
        """The value of a label given by an earlier plugin; the last one given counts."""
        for known, value in reversed(self.labels):
            if known == name:
                return value
        return None

    def value(self, pointer: str = "") -> Any:
        """One value of the body by its JSON pointer (RFC 6901), for example `/tools/0/function/name`, read from JSON;
        `None` when it is not there. Without a pointer the whole body."""
        found = self.body if pointer == "" else _request.body_pointer(_check.text(pointer, "pointer"))
        return None if found is None else json.loads(found)
