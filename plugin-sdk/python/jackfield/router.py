"""Rules that decide which model answers a request."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Mapping, Sequence, Union

from . import _check
from ._settings import Configured

Reasoning = Literal["none", "minimal", "low", "medium", "high"]
Status = Literal["invalid-request", "forbidden", "rate-limited", "unavailable"]

_REASONING = ("none", "minimal", "low", "medium", "high")
_STATUS = ("invalid-request", "forbidden", "rate-limited", "unavailable")


class Target:
    """A model to use, and what to change of the client's request. What is left out stays as the client asked.

    `temperature` is 0 to 2, `max_output_tokens` at least 1; `prompt_template` is a template for the last user message,
    with `${input}` where its text goes.
    """

    __slots__ = ("max_output_tokens", "model", "prompt_template", "reasoning", "temperature")

    def __init__(
        self,
        model: str,
        *,
        temperature: float | None = None,
        max_output_tokens: int | None = None,
        reasoning: Reasoning | None = None,
        prompt_template: str | None = None,
    ) -> None:
        self.model = _check.text(model, "a model")
        if temperature is not None and (isinstance(temperature, bool) or not isinstance(temperature, (int, float))):
            raise TypeError(f"temperature must be a number, not {_check.kind(temperature)}")
        self.temperature = None if temperature is None else float(temperature)
        if max_output_tokens is not None:
            _check.whole(max_output_tokens, "max_output_tokens", 1, 2**32 - 1)
        self.max_output_tokens = max_output_tokens
        if reasoning is not None and reasoning not in _REASONING:
            raise ValueError(f"reasoning must be one of {', '.join(_REASONING)}, not {reasoning!r}")
        self.reasoning = reasoning
        self.prompt_template = None if prompt_template is None else _check.text(prompt_template, "prompt_template")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and all(getattr(self, key) == getattr(other, key) for key in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        changes = [f", {key}={getattr(self, key)!r}" for key in self.__slots__ if key != "model"]
        return f"Target({self.model!r}{''.join(change for change in changes if not change.endswith('=None'))})"


class Decision:
    """What a router decides, why (`because`, a few words for the log: at most 1 024 bytes), and labels for later plugins
    and the log: at most 32, names of `a-z 0-9 _ - .`."""

    __slots__ = ("because", "labels")

    def __init__(self, because: str = "", labels: Mapping[str, str] | None = None) -> None:
        self.because = _check.text(because, "because")
        self.labels = _check.labels(labels)

    def _told(self) -> tuple[Any, ...]:
        return ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars_of(self) == vars_of(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        told = [repr(value) for value in self._told()]
        told += [f"because={self.because!r}"] * bool(self.because) + [f"labels={self.labels!r}"] * bool(self.labels)
        return f"{type(self).__name__}({', '.join(told)})"


def vars_of(decision: Decision) -> tuple[Any, ...]:
    """All that a decision says."""
    return (*decision._told(), decision.because, decision.labels)


class Route(Decision):
    """Use these models, best first: names, or `Target`s with what to change. At least 1, at most 16."""

    __slots__ = ("targets",)

    def __init__(
        self, *models: str | Target, because: str = "", labels: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(because, labels)
        if not models:
            raise ValueError("Route needs a model; no opinion is None, or Abstain with a reason")
        self.targets = [model if isinstance(model, Target) else Target(model) for model in models]

    @property
    def models(self) -> list[str]:
        """The models' names, best first."""
        return [target.model for target in self.targets]

    def _told(self) -> tuple[Any, ...]:
        return tuple(self.targets)


class Abstain(Decision):
    """No opinion: the next rule decides. `None` says the same without a reason."""

    __slots__ = ()


class Refuse(Decision):
    """Refuse the request and tell the client so, in at most 1 024 bytes. The status: `invalid-request` 400, `forbidden`
    403, `rate-limited` 429, `unavailable` 503."""

    __slots__ = ("message", "status")

    def __init__(
        self,
        message: str,
        status: Status = "forbidden",
        *,
        because: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(because, labels)
        self.message = _check.text(message, "message")
        if status not in _STATUS:
            raise ValueError(f"status must be one of {', '.join(_STATUS)}, not {status!r}")
        self.status = status

    def _told(self) -> tuple[Any, ...]:
        return (self.message, self.status)


class Respond(Decision):
    """Answer with this text; no model is called."""

    __slots__ = ("text",)

    def __init__(self, text: str, *, because: str = "", labels: Mapping[str, str] | None = None) -> None:
        super().__init__(because, labels)
        self.text = _check.text(text, "text")

    def _told(self) -> tuple[Any, ...]:
        return (self.text,)


Routed = Union[Decision, str, Target, Sequence[Union[str, Target]], None]
"""What `route` may return: a model's name, a `Target`, several best first, a `Decision`, or `None` for no opinion."""


class Router(Configured):
    """A routing rule. Subclass it and define `route`, either with the prompt or with the whole request:

        def route(self, prompt: str) -> str | None: ...
        def route(self, request: Request) -> Route | str | None: ...

    The parameter's annotation tells them apart, or else its name. The first line of the class's docstring says what
    the plugin does. Settings are a dataclass: `config: Settings` in the class, `self.config` in `route`.

    `__init__` runs once, while the plugin is built, without a host and without settings; what it prepares is there in
    every call. What has to last from call to call goes into `kv`.
    """

    _kind: ClassVar[str] = "router"

    # Authors choose the parameter, so it is not declared here.
    route: Any


def decision(returned: Any) -> Decision:
    """What `route` returned, as a `Decision`."""
    if isinstance(returned, Decision):
        return returned
    if returned is None:
        return Abstain()
    if isinstance(returned, (str, Target)):
        return Route(returned)
    if isinstance(returned, (list, tuple)):
        return Route(*returned) if returned else Abstain()
    raise TypeError(f"route returned {_check.kind(returned)}; return a model's name, a Target, a list of them, a "
                    "Route, Abstain, Refuse or Respond, or None")
