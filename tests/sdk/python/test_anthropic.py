"""Messages through the official `anthropic` package, unchanged, over every kind of provider."""

import asyncio
import json

import anthropic
import pytest
from anthropic.types import Message

from stage.gateway import CLIENT_KEY, PATIENCE
from stage.kinds import KINDS
from stage.script import COUNTED, JSON, KEY, TEXT, USAGE
from wishes import CITIES, MESSAGES, PARAMETERS, PNG, QUESTION, RESULTS, Answer, second_turn

TOOLS = [{"name": "weather", "description": "Tells it.", "input_schema": PARAMETERS}]
LIMIT = 77
COUNTS = [name for name, kind in KINDS.items() if kind.counts]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
ERRORS = [
    ("fails-400", anthropic.BadRequestError, 400, "invalid_request_error"),
    ("fails-401", anthropic.InternalServerError, 502, "api_error"),
    ("fails-429", anthropic.RateLimitError, 429, "rate_limit_error"),
    ("fails-500", anthropic.InternalServerError, 502, "api_error"),
    ("fails-503", anthropic.InternalServerError, 502, "api_error"),
]


def ask(kind, id="ok", **more):
    return {"model": f"{kind}-{id}", "max_tokens": LIMIT, "messages": MESSAGES, **more}


def usage_of(message):
    return message.usage.input_tokens, message.usage.output_tokens


def test_a_message(claude, kind, seen):
    message = claude.messages.create(**ask(kind))
    assert [block.text for block in message.content] == ["".join(TEXT)]
    assert (message.role, message.type, message.stop_reason) == ("assistant", "message", "end_turn")
    assert usage_of(message) == (USAGE["input"], USAGE["output"])
    assert (seen[0].heard.model, seen[0].heard.texts, seen[0].heard.limit) == ("ok", [QUESTION], LIMIT)
    assert CLIENT_KEY not in str(seen[0].headers) + seen[0].path + seen[0].raw.decode()
    # The SDK takes objects as they come; asked to be strict, it validates every field.
    Message.model_validate(message.to_dict())


@pytest.mark.parametrize("kind", ["anthropic"])
def test_a_request_in_the_providers_own_api_is_left_alone(claude, kind, seen):
    asked = ask(kind, metadata={"user_id": "u"}, thinking={"type": "adaptive"}, system="Be brief.")
    claude.messages.create(**asked, extra_headers={"anthropic-beta": "some-beta"})
    assert seen[0].body == {**asked, "model": "claude-stage-ok"}
    assert seen[0].headers["anthropic-beta"] == "some-beta"
    assert seen[0].headers["anthropic-version"] == claude.default_headers["anthropic-version"]


def test_the_answer_says_who_decided(claude, kind):
    raw = claude.messages.with_raw_response.create(**ask(kind))
    assert raw.headers["x-jackfield-model"] == f"{kind}-ok"
    assert raw.headers["x-jackfield-request-id"] == raw.request_id


def test_a_raw_stream(claude, kind, seen):
    events = list(claude.messages.create(**ask(kind), stream=True))
    for event in events:
        type(event).model_validate(event.to_dict())
    kinds = [event.type for event in events if event.type != "ping"]
    between = ["content_block_delta"] * kinds.count("content_block_delta")
    start = ["message_start", "content_block_start"]
    assert kinds == [*start, *between, "content_block_stop", "message_delta", "message_stop"]
    assert seen[0].heard.stream


def test_the_text_of_a_stream(claude, kind):
    with claude.messages.stream(**ask(kind)) as stream:
        assert "".join(stream.text_stream) == "".join(TEXT)
        message = stream.get_final_message()
    assert message.content[0].text == "".join(TEXT)
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", USAGE["output"])
    assert message.usage.input_tokens == USAGE["input"]


@pytest.mark.parametrize("streamed", [False, True])
def test_two_calls_and_their_results(claude, kind, seen, streamed):
    asked = ask(kind, "two-calls", tools=TOOLS)
    if streamed:
        parts = {}
        with claude.messages.stream(**asked) as stream:
            at = -1
            for event in stream:
                at += event.type == "content_block_start"
                if event.type == "input_json":
                    parts.setdefault(at, []).append(event.partial_json)
            message = stream.get_final_message()
        assert [json.loads("".join(pieces)) for pieces in parts.values()] == CITIES
    else:
        message = claude.messages.create(**asked)
    assert message.stop_reason == "tool_use"
    assert [(block.type, block.name, block.input) for block in message.content] == [
        ("tool_use", "weather", city) for city in CITIES
    ]
    # In any order, one as blocks.
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": result}
        for block, result in zip(message.content, RESULTS, strict=True)
    ]
    results[1]["content"] = [{"type": "text", "text": results[1]["content"]}]
    said = {"role": "assistant", "content": message.content}
    second = {**asked, "messages": [*MESSAGES, said, {"role": "user", "content": results[::-1]}]}
    if streamed:
        with claude.messages.stream(**second) as stream:
            assert stream.get_final_text() == "".join(TEXT)
    else:
        assert claude.messages.create(**second).content[0].text == "".join(TEXT)
    second_turn(seen[1].heard, QUESTION)


def test_a_tool_that_must_be_called(claude, kind, seen):
    claude.messages.create(**ask(kind, tools=TOOLS, tool_choice={"type": "tool", "name": "weather"}))
    claude.messages.create(**ask(kind, tools=TOOLS, tool_choice={"type": "any"}))
    for request in seen:
        # In whatever words.
        chosen = {key: request.body.get(key) for key in ("tool_choice", "toolConfig")}
        assert any(chosen.values())


def test_a_call_that_failed(claude, kind, seen):
    asked = ask(kind, tools=TOOLS)
    [call] = claude.messages.create(**asked).content
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "no such city", "is_error": True}
    answer = [result, {"type": "text", "text": "So?"}]
    said = [*MESSAGES, {"role": "assistant", "content": [call]}, {"role": "user", "content": answer}]
    claude.messages.create(**{**asked, "messages": said})
    assert (seen[1].heard.results, seen[1].heard.texts) == ([(0, "no such city")], [QUESTION, "So?"])


def test_thoughts_are_for_the_model_that_had_them(claude, kind, seen):
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    text = {"type": "text", "text": "Yes?"}
    said = [{"role": "assistant", "content": [thought, text]}, *MESSAGES]
    asked = ask(kind, messages=[{"role": "user", "content": "Hello"}, *said])
    claude.messages.create(**asked)
    assert seen[0].heard.texts == ["Hello", "Yes?", QUESTION]
    assert ("c2ln" in seen[0].raw.decode()) == (kind == "anthropic")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_schema(claude, kind, seen, streamed):
    asked = ask(kind, output_format=Answer)
    if streamed:
        with claude.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    else:
        message = claude.messages.parse(**asked)
    assert message.parsed_output == Answer(answer=42)
    assert json.loads(message.content[0].text) == json.loads("".join(JSON))
    schema = seen[0].heard.schema
    assert (schema["properties"]["answer"]["type"], schema["required"]) == ("integer", ["answer"])


def test_a_picture_and_instructions(claude, kind, seen):
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": [IMAGE, {"type": "text", "text": QUESTION}]},
    ]
    system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
    answer = claude.messages.create(**ask(kind, messages=messages, system=system, stop_sequences=["END"]))
    assert answer.content[0].text == "".join(TEXT)
    heard = seen[0].heard
    assert (heard.system, heard.texts) == (["Be brief."], ["Hello", "Yes?", QUESTION])
    assert heard.images == [("image/png", PNG)]
    assert heard.stop == ["END"]


@pytest.mark.parametrize("kind", COUNTS)
def test_tokens_are_counted(claude, kind, seen):
    count = claude.messages.count_tokens(model=f"{kind}-ok", messages=MESSAGES, tools=TOOLS, system="Be brief.")
    assert count.input_tokens == COUNTED
    assert (seen[0].path, seen[0].heard.texts) == ("/v1/messages/count_tokens", [QUESTION])


@pytest.mark.parametrize("kind", [name for name in KINDS if name not in COUNTS])
def test_a_kind_that_does_not_count_is_estimated(claude, kind, seen):
    few = claude.messages.count_tokens(model=f"{kind}-ok", messages=MESSAGES).input_tokens
    long = [{"role": "user", "content": QUESTION * 20}]
    assert 0 < few < claude.messages.count_tokens(model=f"{kind}-ok", messages=long).input_tokens
    assert not seen


@pytest.mark.parametrize("how", ["whole", "stream", "helper"])
@pytest.mark.parametrize(("id", "error", "status", "word"), ERRORS)
def test_failures_are_the_sdks_own(claude, kind, id, error, status, word, how):
    with pytest.raises(anthropic.APIStatusError) as raised:
        if how == "helper":
            with claude.messages.stream(**ask(kind, id)) as stream:
                stream.get_final_message()
        else:
            claude.messages.create(**ask(kind, id), stream=how == "stream")
    # The class itself: a provider that refuses our key is no `AuthenticationError` of the client's.
    assert (type(raised.value), raised.value.status_code, raised.value.type) == (error, status, word)
    assert raised.value.response.headers.get("retry-after") == ("7" if status == 429 else None)
    assert raised.value.request_id.startswith("req_")
    assert KEY not in str(raised.value) + raised.value.response.text


@pytest.mark.parametrize("kind", ["anthropic"])
def test_an_overloaded_provider_is_called_so(claude, kind):
    with pytest.raises(anthropic.InternalServerError) as raised:
        claude.messages.create(**ask(kind, "fails-529"))
    assert raised.value.type == "overloaded_error"


def test_what_a_provider_says_of_a_failure_is_told(claude, kind):
    for id, said in [("fails-400", "that is odd"), ("fails-429", "slow down"), ("fails-503", "too much is going on")]:
        with pytest.raises(anthropic.APIStatusError) as raised:
            claude.messages.create(**ask(kind, id))
        assert said in raised.value.api_message


@pytest.mark.parametrize(("id", "said"), [("breaks", "it broke"), ("cut", "broke off")])
def test_a_stream_that_breaks_is_an_error(claude, kind, id, said):
    texts = []
    with pytest.raises(anthropic.APIStatusError) as raised:
        with claude.messages.stream(**ask(kind, id)) as stream:
            texts.extend(stream.text_stream)
    assert texts == TEXT[:1]
    assert (raised.value.type, said in raised.value.api_message) == ("api_error", True)


def test_what_is_not_there_is_named(claude):
    with pytest.raises(anthropic.NotFoundError) as raised:
        claude.messages.create(**{**ask("no"), "model": "no-such-model"})
    assert raised.value.type == "not_found_error"
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(**{**ask("no"), "model": "task/no-such-task"})


def test_a_wrong_field_is_named(claude, kind, seen):
    with pytest.raises(anthropic.BadRequestError, match=r"messages\[0\].role"):
        claude.messages.create(**ask(kind, messages=[{"role": "king", "content": "x"}]))
    assert not seen


@pytest.mark.parametrize("kind", [name for name in KINDS if name != "anthropic"])
def test_what_no_other_api_can_do_is_named(claude, kind, seen):
    for field, wish in [
        ("container", {"container": "c"}),
        ("tools", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ]:
        with pytest.raises(anthropic.BadRequestError, match=field):
            claude.messages.create(**ask(kind, **wish))
    assert not seen


def test_keys(gateway, kind, seen):
    options = {"base_url": gateway, "max_retries": 0, "timeout": PATIENCE}
    with anthropic.Anthropic(api_key="jf-wrong", **options) as stranger:
        with pytest.raises(anthropic.AuthenticationError) as raised:
            stranger.messages.create(**ask(kind))
    assert raised.value.type == "authentication_error"
    assert not seen
    with anthropic.Anthropic(auth_token=CLIENT_KEY, **options) as bearer:
        assert bearer.messages.create(**ask(kind)).content[0].text == "".join(TEXT)


def test_the_models_are_listed(claude, kind):
    models = {model.id: model for model in claude.models.list()}
    assert models[f"{kind}-ok"].type == "model"
    assert claude.models.retrieve(f"{kind}-ok").id == f"{kind}-ok"


def test_a_task_picks_its_model(claude, kind, seen):
    claude.messages.create(**{**ask(kind), "model": f"task/task-of-{kind}"})
    claude.messages.create(**ask(kind), extra_headers={"x-jackfield-task": f"task-of-{kind}"})
    assert [request.heard.model for request in seen] == ["task", "task"]


def test_the_async_client(gateway):
    async def all_of_them():
        options = {"base_url": gateway, "api_key": CLIENT_KEY, "max_retries": 0, "timeout": PATIENCE}
        async with anthropic.AsyncAnthropic(**options) as claude:
            async def one(kind):
                async with claude.messages.stream(**ask(kind)) as stream:
                    return "".join([text async for text in stream.text_stream])

            return await asyncio.gather(*(one(kind) for kind in KINDS))

    assert asyncio.run(all_of_them()) == ["".join(TEXT)] * len(KINDS)


def test_the_simulation(claude):
    message = claude.messages.create(**{**ask("no"), "model": "simulated"})
    assert message.content[0].text.startswith("[simulated simulated]")
