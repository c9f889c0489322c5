"""A small memory of the plugin's own, shared by all its calls on this host and lost at a restart.

Instances keep nothing from call to call: what has to last goes here. The quota is 1 MiB of keys and values for each
plugin, unless its limits say otherwise; a key has 1 to 256 bytes, a value at most 64 KiB. Times are in seconds.
"""

from __future__ import annotations

from typing import Literal

from . import _check, _host

_kv = _host.functions("kv")
_REFUSED = _host.error_type()

Reason = Literal["quota-exceeded", "too-large", "not-a-counter", "read-only"]


class KvError(Exception):
    """A value was not kept; `reason` says why."""

    def __init__(self, reason: Reason, key: str) -> None:
        super().__init__(f"{reason}: the key {key!r:.80}")
        self.reason = reason


def get(key: str) -> bytes | None:
    """The value at a key, unless there is none or its time is up."""
    return _kv.get(_check.text(key, "key"))


def get_text(key: str) -> str | None:
    """The value at a key as text."""
    value = get(key)
    return None if value is None else value.decode()


def set(key: str, value: bytes | str, ttl: float | None = None) -> None:
    """Keeps a value, for at most `ttl` seconds if given. Raises `KvError`."""
    data = value.encode() if isinstance(value, str) else value
    if not isinstance(data, bytes):
        raise TypeError(f"value must be bytes or a str, not {_check.kind(value)}")
    _call(_kv.set, key, data, _millis(ttl))


def delete(key: str) -> None:
    """Forgets a value. Raises `KvError`."""
    _call(_kv.delete, key)


def increment(key: str, by: int = 1, ttl: float | None = None) -> int:
    """Adds to a counter in one step and returns its new value. A key that is not there counts from 0 and gets the given
    life time; a later call does not prolong it. Raises `KvError`."""
    return _call(_kv.increment, key, _check.whole(by, "by", -(2**63), 2**63 - 1), _millis(ttl))


def _call(function, key, *arguments):  # type: ignore[no-untyped-def]
    try:
        return function(_check.text(key, "key"), *arguments)
    except _REFUSED as error:
        reason = _host.failure(error)
        name = reason if isinstance(reason, str) else reason.name.lower().replace("_", "-")
        raise KvError(name, key) from None


def _millis(ttl: float | None) -> int | None:
    return None if ttl is None else _check.whole(int(ttl * 1000), "ttl in milliseconds", 0, 2**64 - 1)
