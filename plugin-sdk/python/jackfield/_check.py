"""What may cross to the host. What does not fit its type would trap there without a word, so it is refused here,
where Python knows the author's line."""

from __future__ import annotations

from typing import Any, Iterable, Mapping


def kind(value: object) -> str:
    """What a value is, for error messages."""
    return "None" if value is None else f"{type(value).__name__} ({value!r:.60})"


def text(value: Any, what: str) -> str:
    """A text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {kind(value)}")
    if not value.isascii():
        value.encode()  # Half a surrogate pair is a UnicodeEncodeError.
    return value


def texts(values: Iterable[Any], what: str) -> list[str]:
    """Texts; a single one is not taken for a list of letters."""
    if isinstance(values, str):
        raise TypeError(f"{what} must be several texts, not one: write [{values!r:.40}]")
    return [text(value, f"each of {what}") for value in values]


def labels(values: Mapping[str, str] | None) -> dict[str, str]:
    """Names and values."""
    if not values:
        return {}
    if not isinstance(values, Mapping):
        raise TypeError(f"labels must be a dict, not {kind(values)}")
    return {text(name, "a label's name"): text(value, f"the label `{name}`") for name, value in values.items()}


def share(value: Any, what: str) -> float | None:
    """A number from 0 to 1."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{what} must be a number, not {kind(value)}")
    if not 0 <= value <= 1:
        raise ValueError(f"{what} must be from 0 to 1, not {value}")
    return float(value)


def whole(value: Any, what: str, least: int, most: int) -> int:
    """A whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} must be an int, not {kind(value)}")
    if not least <= value <= most:
        raise ValueError(f"{what} must be from {least} to {most}, not {value}")
    return value
