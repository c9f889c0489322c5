"""Checks of answers while they stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Union

from . import _check
from ._settings import Configured
from .request import Request
from .response import FinishReason
from .validator import Reject, Replace


@dataclass
class Piece:
    """A piece of an answer."""

    kind: Literal["text", "tool-call", "finish"]
    """More text, more of a tool call's arguments, or the end of a choice."""
    text: str
    """What it adds; empty at the end of a choice."""
    held: str
    """The text of this choice that is held back so far, this piece included."""
    choice: int = 0
    """The index of the choice it belongs to."""
    finish: FinishReason | None = None
    """Why the choice ended, when it did."""


class Hold:
    """Keep holding all of it. `None` says the same."""

    __slots__ = ()


class Release:
    """Let the first so many characters of the held text go, and keep the rest; all of it when no number is given. A
    negative number keeps so many at the end: `Release(-7)`."""

    __slots__ = ("characters",)

    def __init__(self, characters: int | None = None) -> None:
        if characters is not None:
            _check.whole(characters, "characters", -(2**31), 2**31)
        self.characters = characters


Step = Union[Hold, Release, Replace, Reject, None]
"""What to do with the text held back so far: hold it, let it go, put another in its place, or end the stream."""


class StreamValidator(Configured):
    """A check of answers while they stream. Each stream has an object of its own, made when it begins, so what it keeps
    on `self` is the stream's.

        def push(self, piece: Piece) -> Step: ...

    Settings and docstring are as in `Router`; `self.config` is there after `__init__`.
    """

    _kind: ClassVar[str] = "stream-validator"

    def open(self, request: Request) -> None:
        """The stream begins."""

    def push(self, piece: Piece) -> Step:
        """A piece came."""
        raise NotImplementedError

    def finish(self) -> Step:
        """The stream is over: what is still held goes, unless this says otherwise."""
        return Release()


class Held:
    """What is held of each choice, kept in step with the host's count, which is in bytes."""

    __slots__ = ("texts",)

    def __init__(self) -> None:
        self.texts: dict[int, str] = {}

    def push(self, choice: int, text: str) -> str:
        """Takes more text of a choice; all that is held of it."""
        held = self.texts[choice] = self.texts.get(choice, "") + text
        return held

    def release(self, choice: int, step: Release) -> int:
        """How many bytes go."""
        held = self.texts.get(choice, "")
        gone = held if step.characters is None else held[: step.characters]
        self.texts[choice] = held[len(gone) :]
        return len(gone) if gone.isascii() else len(gone.encode())


def checked(returned: Any, function: str) -> Hold | Release | Replace | Reject:
    """What `push` or `finish` returned, as a step."""
    if returned is None:
        return Hold()
    if isinstance(returned, (Hold, Release, Replace, Reject)):
        return returned
    raise TypeError(f"{function} returned {_check.kind(returned)}; return Hold, Release, Replace or Reject, or None")
