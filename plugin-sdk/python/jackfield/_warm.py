"""Runs this package's own code a few times, with an example in place of the author's plugin, while a component is
built.

What Python learns of its code by running it is kept in the component, and an instance that lives for one call finds it
there: a call of a fresh instance takes a sixth less. The author's code is not run, and the host is not asked: what it
would say is put in its place meanwhile. (Freezing the collector, tried as well, cost a fifth: it writes into every
object.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from . import _settings, request, response
from .request import Request
from .response import Response
from .router import Route, Router, Target
from .validator import Accept, Reject, Repair, Validator, Verdict

# Python settles on how to run a line within some ten runs.
_ROUNDS = 32


class _Answers:
    """What a host would say."""

    def get(self) -> str:
        return '{"keyword": "urgent", "limit": 0.5, "words": ["a"]}'

    def contains(self, needle: str) -> bool:
        return needle == "urgent"

    def last_user_text(self) -> str:
        return "a prompt"

    def text(self) -> str:
        return "an answer"

    def header(self, _name: str) -> str | None:
        return None


@dataclass
class _Settings:
    keyword: str = "a"
    limit: float = 1.0
    words: list[str] = field(default_factory=list)


class _Example(Router, Validator):
    config: _Settings

    def route(self, request: Request) -> Route | Target | str | None:
        self.round = getattr(self, "round", 0) + 1
        if request.contains(self.config.keyword) and self.round % 4 == 0:
            return request.header("x") or request.prompt and "model"
        if self.round % 4 == 1:
            return None
        return Route("model", because="a reason", labels={"a": "b"}) if self.round % 4 == 2 else Target("model")

    def validate(self, request: Request, response: Response) -> Verdict | bool:
        self.round = getattr(self, "round", 0) + 1
        if self.round % 4 == 0:
            return Repair(f"Say it again: {response.text}", score=0.5)
        return (Accept(score=1.0), Reject("an issue"), True)[self.round % 4 - 1]


def up(make: Callable[[type], dict[str, type]]) -> None:
    """Runs calls of an example: `make` makes the classes that stand for it, as it does for an author's."""
    before = (_settings._config, request._request, response._response)
    _settings._config = request._request = response._response = _Answers()
    try:
        for _ in range(2):
            # A definition reads its settings once, so a second one reads them again.
            classes = make(_Example)
            lifecycle, routing, validation = (classes[key]() for key in ("Lifecycle", "Routing", "Validation"))
            for _ in range(_ROUNDS):
                asked: Any = Request("r", None, None, None, None, False, 1, 1, None, False, False, False, [])
                lifecycle.check_config(_Answers().get())
                routing.route(asked)
                validation.validate(asked, Response("model", 1, "stop", 0, 0))
    finally:
        _settings._config, request._request, response._response = before
