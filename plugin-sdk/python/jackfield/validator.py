"""Checks of whole answers."""

from __future__ import annotations

from typing import Any, ClassVar, Iterable, Mapping, Sequence, Union

from . import _check
from ._settings import Configured


class Verdict:
    """What a validator finds, and what goes with it: how good the answer is (`score`, 0 to 1), what could be better
    (`issues`, at most 64 of 1 024 bytes) and labels for later plugins and the log."""

    __slots__ = ("issues", "labels", "score")

    def __init__(
        self, score: float | None = None, issues: Iterable[str] = (), labels: Mapping[str, str] | None = None
    ) -> None:
        self.score = _check.share(score, "score")
        self.issues = _check.texts(issues, "issues") if issues else []
        self.labels = _check.labels(labels)

    def _told(self) -> dict[str, Any]:
        return {"score": self.score, "issues": self.issues, "labels": self.labels}

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._told() == other._told()  # type: ignore[attr-defined]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        told = ", ".join(f"{key}={value!r}" for key, value in self._told().items() if value not in (None, [], {}))
        return f"{type(self).__name__}({told})"


class Accept(Verdict):
    """Deliver the answer."""

    __slots__ = ()


class Reject(Verdict):
    """Do not deliver it, for these issues; the next candidate is tried."""

    __slots__ = ()

    def __init__(self, *issues: str, score: float | None = None, labels: Mapping[str, str] | None = None) -> None:
        super().__init__(score, issues, labels)


class Repair(Verdict):
    """Ask the same model again, with this instruction."""

    __slots__ = ("instruction",)

    def __init__(
        self,
        instruction: str,
        *,
        score: float | None = None,
        issues: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(score, issues, labels)
        self.instruction = _check.text(instruction, "instruction")

    def _told(self) -> dict[str, Any]:
        return {"instruction": self.instruction, **super()._told()}


class Replace(Verdict):
    """Deliver this text instead."""

    __slots__ = ("text",)

    def __init__(
        self,
        text: str,
        *,
        score: float | None = None,
        issues: Iterable[str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(score, issues, labels)
        self.text = _check.text(text, "text")

    def _told(self) -> dict[str, Any]:
        return {"text": self.text, **super()._told()}


Judged = Union[Verdict, bool, str, Sequence[str], None]
"""What `validate` may return: a `Verdict`; `True` or `None` to accept, `False` to reject; a text, or a list of them, that
says what is wrong (an empty list: nothing)."""


class Validator(Configured):
    """A check of whole answers. Subclass it and define `validate` with whatever it needs to see, each by its
    annotation or its name:

        def validate(self, text: str) -> bool: ...
        def validate(self, request: Request, response: Response) -> Verdict: ...

    `text` is the answer's text, `prompt` the last user message. Settings, docstring and `__init__` are as in `Router`.
    """

    _kind: ClassVar[str] = "validator"

    # Authors choose the parameters, so they are not declared here.
    validate: Any


def verdict(returned: Any) -> Verdict:
    """What `validate` returned, as a `Verdict`."""
    if isinstance(returned, Verdict):
        return returned
    if returned is None or returned is True:
        return Accept()
    if returned is False:
        return Reject()
    if isinstance(returned, str) and returned:
        return Reject(returned)
    if isinstance(returned, (list, tuple)):
        return Reject(*returned) if returned else Accept()
    raise TypeError(f"validate returned {_check.kind(returned)}; return Accept, Reject, Repair or Replace, a bool, what "
                    "is wrong as a str or a list of them, or None")
