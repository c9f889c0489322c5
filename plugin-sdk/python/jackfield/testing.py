"""A played host for unit tests: no gateway, no WebAssembly, plain CPython.

    from jackfield.testing import Host

    def test_urgent_prompts_go_to_the_fast_model():
        assert Host().route(MyRouter, "urgent: the build is red").models == ["fast-model"]

The contract's behaviour is kept where a plugin can see it (what is absent, what is an error), its limits are not:
`jackfield plugin test` and `jackfield plugin run` run the component itself. Exceptions of the plugin come out as
they are. The time stands still unless the test moves it, and `kv` lasts from call to call.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Mapping, Sequence

from . import _host, stream
from ._define import Definition
from .budget import Headroom
from .llm import Completion, LlmError
from .load import LoadState
from .models import LiveState, ModelInfo
from .request import Message, Request
from .response import FinishReason, Response, TokenUsage, ToolCall
from .router import Decision, decision
from .stream import Piece
from .validator import Verdict, verdict

__all__ = ["Host", "Streamed", "model"]


def model(
    name: str = "",
    *,
    price: tuple[float, float] | None = None,
    context_window: int | None = None,
    max_output_tokens: int | None = None,
    tags: Sequence[str] = (),
    capabilities: Sequence[str] = (),
    provider: str = "test",
    **live: Any,
) -> tuple[ModelInfo, LiveState]:
    """A model on the played host: nothing is known of it but what is said here, it is healthy and idle. `price` is US
    dollars for a million tokens of input and of output; what else is given is of `LiveState`."""
    prices = price if price is not None else (None, None)
    info = ModelInfo(name, provider, context_window, max_output_tokens, *prices, list(tags), list(capabilities))
    return info, LiveState(**live)


class Streamed:
    """What came of a stream."""

    def __init__(self) -> None:
        self.text = ""
        """What was delivered of the first choice."""
        self.rejected: list[str] | None = None
        """Why it was ended, if it was."""


class Host:
    """A played host.

    `models` are names, or names with what is known of them: `{"fast-model": model(price=(1, 2), tags=["fast"])}`.
    `budget` gives what is left of a scope's limit as a share of it (`{"project": 0.1}`) or as a `Headroom`. `llm` plays
    the models that a plugin asks: a function of model and messages that returns a text or raises `LlmError`.
    """

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        models: Sequence[str] | Mapping[str, tuple[ModelInfo, LiveState]] = (),
        budget: Mapping[str, float | Headroom] | None = None,
        load: LoadState | None = None,
        now_ms: int = 1_767_225_600_000,
        llm: Callable[[str, list[dict[str, str]]], str | Completion] | None = None,
    ) -> None:
        self.config: Mapping[str, Any] = config or {}
        known = models if isinstance(models, Mapping) else {name: model(name) for name in models}
        self.models = dict(sorted(known.items()))
        for name, (info, _) in self.models.items():
            info.name = name
        self.budget = {scope: _headroom(left) for scope, left in (budget or {}).items()}
        self.load = load or LoadState()
        self.now_ms = now_ms
        self.llm = llm
        self.logged: list[tuple[str, str]] = []
        """The lines logged so far, each with its level."""
        self.kv: dict[str, bytes] = {}
        """What `kv` keeps."""
        self._ends: dict[str, int] = {}
        self._definitions: dict[type, Definition] = {}
        self._set("", "")

    # What a test asks.

    def route(self, plugin: type, prompt: str = "", **request: Any) -> Decision:
        """What a router decides: always as a `Decision`, with its reason and labels. `request` is what `request()`
        takes."""
        with self.playing(prompt, **request) as asked:
            return decision(self._defined(plugin, "router").route(asked))

    def validate(
        self,
        plugin: type,
        answer: str | Any,
        prompt: str = "",
        *,
        answered_by: str = "test-model",
        attempt: int = 1,
        finish: FinishReason = "stop",
        tool_calls: Sequence[ToolCall] = (),
        usage: TokenUsage | None = None,
        **request: Any,
    ) -> Verdict:
        """What a validator finds in an answer, always as a `Verdict`. An answer that is no text is given as JSON."""
        text = answer if isinstance(answer, str) else json.dumps(answer)
        with self.playing(prompt, **request) as asked:
            self._answer, self._tool_calls, self._usage = text, list(tool_calls), usage
            response = Response(answered_by, attempt, finish, len(text.encode()), len(self._tool_calls))
            self._answered_by = answered_by
            return verdict(self._defined(plugin, "validator").validate(asked, response))

    def stream(self, plugin: type, pieces: Sequence[str | Piece], prompt: str = "", **request: Any) -> Streamed:
        """What a check lets through of a stream, which ends after these pieces."""
        streamed, held = Streamed(), stream.Held()
        with self.playing(prompt, **request) as asked:
            watch = self._defined(plugin, "stream-validator").begin()
            watch.open(asked)
            ends = [] if any(isinstance(p, Piece) and p.kind == "finish" for p in pieces) else [
                Piece("finish", "", "", 0, "stop")
            ]
            for piece in [*pieces, *ends]:
                piece = Piece("text", piece, "") if isinstance(piece, str) else piece
                piece.held = held.push(piece.choice, piece.text if piece.kind == "text" else "")
                if self._step(streamed, held, piece.choice, stream.checked(watch.push(piece), "push")):
                    return streamed
            step = stream.checked(watch.finish(), "finish")
            self._step(streamed, held, 0, step)
            if streamed.rejected is None and held.texts.get(0):
                raise AssertionError(f"the stream is over, and {held.texts[0]!r} stays held")
        return streamed

    @staticmethod
    def _step(streamed: Streamed, held: stream.Held, choice: int, step: Any) -> bool:
        before = held.texts.get(choice, "")
        if isinstance(step, stream.Reject):
            streamed.rejected = step.issues
            return True
        if isinstance(step, stream.Release):
            held.release(choice, step)
            gone = before[: len(before) - len(held.texts.get(choice, ""))]
        elif isinstance(step, stream.Replace):
            gone, held.texts[choice] = step.text, ""
        else:
            gone = ""
        streamed.text += gone if choice == 0 else ""
        return False

    @contextmanager
    def playing(self, prompt: str = "", **request: Any) -> Iterator[Request]:
        """Plays while the block runs, so that the author's own functions may ask the host; the request."""
        asked = self.request(prompt, **request)
        _host.playing.append(self)
        try:
            yield asked
        finally:
            _host.playing.pop()

    def request(
        self,
        prompt: str = "",
        *,
        system: str = "",
        messages: Sequence[Message] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        **summary: Any,
    ) -> Request:
        """A request: a prompt after standing instructions, or a whole conversation; `summary` is any field of `Request`,
        such as `task`, `project` or `streaming`. What a plugin reads of it is asked of the host while it plays."""
        self._set(prompt, system, messages)
        self._headers = {name.lower(): value for name, value in (headers or {}).items()}
        self._body = body
        self._labels = list((labels or {}).items())
        text_bytes = sum(len(message.text.encode()) for message in self._messages)
        known: dict[str, Any] = dict(
            request_id="test", task=None, requested_model=None, project=None, user=None, streaming=False,
            message_count=len(self._messages), estimated_input_tokens=-(-text_bytes // 4), max_output_tokens=None,
            has_tools=False, has_images=any(message.has_image for message in self._messages),
            has_response_schema=False, labels=self._labels,
        )  # fmt: skip
        for name in summary:
            if name not in known:
                raise TypeError(f"a request has no `{name}`; it has {', '.join(known)}")
        asked = Request(**{**known, **summary})
        self._model = asked.requested_model
        return asked

    # What it keeps.

    def _set(self, prompt: str, system: str, messages: Sequence[Message] | None = None) -> None:
        self._messages = [] if messages is None else list(messages)
        if system:
            self._messages.insert(0, Message("system", system))
        if prompt or not self._messages:
            self._messages.append(Message("user", prompt))
        self._answer, self._answered_by = "", "test-model"
        self._tool_calls: list[ToolCall] = []
        self._usage: TokenUsage | None = None
        self._model: str | None = None

    def _defined(self, plugin: type, kind: str) -> Definition:
        if plugin not in self._definitions:
            self._definitions[plugin] = Definition(plugin)
        definition = self._definitions[plugin]
        if kind not in definition.kinds:
            raise TypeError(f"{plugin.__name__} is no {kind}")
        definition.configure(json.dumps(self.config))
        return definition

    # What a plugin asks: one function for each of the contract's.

    def request_last_user_text(self) -> str:
        return next((message.text for message in reversed(self._messages) if message.role == "user"), "")

    def request_contains(self, needle: str) -> bool:
        return needle in self.request_last_user_text()

    def request_system_text(self) -> str:
        return "\n".join(message.text for message in self._messages if message.role == "system")

    def request_message_at(self, index: int) -> Message | None:
        return self._messages[index] if index < len(self._messages) else None

    def request_messages(self) -> list[Message]:
        return list(self._messages)

    def request_header(self, name: str) -> str | None:
        return self._headers.get(name)

    def request_body(self) -> str:
        if self._body is not None:
            return json.dumps(self._body)
        messages = [{"role": message.role, "content": message.text} for message in self._messages]
        return json.dumps({"model": self._model, "messages": messages})

    def request_body_pointer(self, pointer: str) -> str | None:
        return _at(self.request_body(), pointer)

    def response_text(self) -> str:
        return self._answer

    def response_body(self) -> str:
        message = {"role": "assistant", "content": self._answer}
        return json.dumps({"model": self._answered_by, "choices": [{"index": 0, "message": message}]})

    def response_body_pointer(self, pointer: str) -> str | None:
        return _at(self.response_body(), pointer)

    def response_tool_calls(self) -> list[ToolCall]:
        return list(self._tool_calls)

    def response_usage(self) -> TokenUsage | None:
        return self._usage

    def models_names(self) -> list[str]:
        return list(self.models)

    def models_info(self, name: str) -> ModelInfo | None:
        return self.models[name][0] if name in self.models else None

    def models_live(self, name: str) -> LiveState | None:
        return self.models[name][1] if name in self.models else None

    def load_current(self) -> LoadState:
        return self.load

    def budget_remaining(self, scope: str) -> Headroom | None:
        return self.budget.get(scope)

    def config_get(self) -> str:
        return json.dumps(self.config)

    def log_write(self, level: str, line: str) -> None:
        self.logged.append((level, line))

    def clock_now_ms(self) -> int:
        return self.now_ms

    def clock_monotonic_ns(self) -> int:
        return self.now_ms * 1_000_000

    def kv_get(self, key: str) -> bytes | None:
        if self._ends.get(key, self.now_ms + 1) <= self.now_ms:
            self.kv_delete(key)
        return self.kv.get(key)

    def kv_set(self, key: str, value: bytes, ttl_ms: int | None) -> None:
        if not 1 <= len(key.encode()) <= 256 or len(value) > 64 << 10:
            raise _host.Refused("too-large")
        self.kv_delete(key)
        self.kv[key] = value
        if ttl_ms is not None:
            self._ends[key] = self.now_ms + ttl_ms

    def kv_delete(self, key: str) -> None:
        self.kv.pop(key, None)
        self._ends.pop(key, None)

    def kv_increment(self, key: str, by: int, ttl_ms: int | None) -> int:
        before = self.kv_get(key)
        try:
            count = int(before or b"0") + by
        except ValueError:
            raise _host.Refused("not-a-counter") from None
        end = self._ends.get(key)
        self.kv_set(key, str(count).encode(), ttl_ms if before is None else None)
        if end is not None:
            self._ends[key] = end
        return count

    def llm_complete(self, model: str, messages: list[dict[str, str]], options: dict[str, Any]) -> Completion:
        if self.llm is None:
            raise _host.Refused(LlmError("unknown-model", model))
        try:
            answer = self.llm(model, messages)
        except LlmError as error:
            raise _host.Refused(error) from error
        return answer if isinstance(answer, Completion) else Completion(answer)

    def llm_embed(self, model: str, texts: list[str]) -> list[list[float]]:
        raise _host.Refused(LlmError("unknown-model", model))


def _headroom(left: float | Headroom) -> Headroom:
    return left if isinstance(left, Headroom) else Headroom(remaining_usd=float(left), used_ratio=1 - left)


def _at(text: str, pointer: str) -> str | None:
    """One value of a JSON text by its pointer, as JSON text."""
    value = json.loads(text)
    for part in pointer.split("/")[1:]:
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            if not part.isascii() or not part.isdigit() or int(part) >= len(value):
                return None
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return None
    return json.dumps(value)
