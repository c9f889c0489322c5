"""The official `openai` package, unchanged, through the gateway."""

import openai
import pytest

from stage.gateway import CLIENT_KEY, PATIENCE
from stage.openai_api import USAGE
from stage.script import ARGUMENTS, KEY, TEXT

MESSAGES = [{"role": "user", "content": "What is the answer?"}]
TOOLS = [{
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}]


def test_a_plain_answer(client, seen):
    answer = client.chat.completions.create(model="main-model", messages=MESSAGES)
    assert answer.choices[0].message.content == "".join(TEXT)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == USAGE["total_tokens"]
    assert seen[0]["body"] == {"model": "up-main", "messages": MESSAGES}
    assert seen[0]["path"] == "/v1/chat/completions"
    headers = {name.lower(): value for name, value in seen[0]["headers"].items()}
    assert headers["authorization"] == f"Bearer {KEY}"
    assert CLIENT_KEY not in str(headers)


def test_the_answer_says_who_decided(client):
    raw = client.chat.completions.with_raw_response.create(model="main-model", messages=MESSAGES)
    assert raw.headers["x-jackfield-model"] == "main-model"
    assert raw.headers["x-jackfield-route"] == "named"
    assert raw.headers["x-jackfield-request-id"].startswith("req_")


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}])
def test_a_stream(client, seen, options):
    extra = {} if options is None else {"stream_options": options}
    chunks = list(client.chat.completions.create(model="main-model", messages=MESSAGES, stream=True, **extra))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "".join(TEXT)
    counted = [c.usage.total_tokens for c in chunks if c.usage]
    empty = [c for c in chunks if not c.choices]
    asked = bool(options and options["include_usage"])
    assert counted == ([USAGE["total_tokens"]] if asked else [])
    assert len(empty) == (1 if asked else 0)
    assert seen[0]["body"]["stream_options"] == {"include_usage": True}


def test_the_stream_helper(client):
    with client.chat.completions.stream(model="main-model", messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        assert "content.delta" in kinds and "content.done" in kinds
        assert stream.get_final_completion().choices[0].message.content == "".join(TEXT)


def test_the_stream_helper_over_the_simulation(client):
    with client.chat.completions.stream(model="simulated", messages=MESSAGES) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.role == "assistant"
    assert message.content.startswith("[simulated simulated]")


def test_a_tool_call(client, seen):
    answer = client.chat.completions.create(model="main-model", messages=MESSAGES, tools=TOOLS)
    call = answer.choices[0].message.tool_calls[0]
    assert (call.id, call.function.name, call.function.arguments) == ("call_1", "weather", "".join(ARGUMENTS))
    assert answer.choices[0].finish_reason == "tool_calls"
    assert seen[0]["body"]["tools"] == TOOLS
    said = answer.choices[0].message.model_dump(exclude_none=True)
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    client.chat.completions.create(model="main-model", messages=[*MESSAGES, said, result])
    assert seen[1]["body"]["messages"] == [*MESSAGES, said, result]


def test_a_streamed_tool_call(client):
    stream = client.chat.completions.create(model="main-model", messages=MESSAGES, tools=TOOLS, stream=True)
    deltas = [part for c in stream if c.choices for part in c.choices[0].delta.tool_calls or []]
    assert (deltas[0].id, deltas[0].function.name) == ("call_1", "weather")
    assert "".join(part.function.arguments for part in deltas) == "".join(ARGUMENTS)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("no-such-model", openai.NotFoundError, 404),
        ("task/no-such-task", openai.BadRequestError, 400),
        ("openai-fails-400", openai.BadRequestError, 400),
        ("openai-fails-429", openai.RateLimitError, 429),
        ("openai-fails-500", openai.InternalServerError, 502),
        ("openai-fails-401", openai.InternalServerError, 502),
    ],
)
def test_failures_are_the_sdks_own(client, model, error, status, stream):
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=model, messages=MESSAGES, stream=stream)
    # The class itself: a provider that refuses our key is no `AuthenticationError` of the client's.
    assert type(raised.value) is error
    assert raised.value.status_code == status
    assert {"message", "type", "param", "code"} == set(raised.value.body)
    assert KEY not in str(raised.value) + raised.value.response.text


def test_a_failure_says_its_code(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="no-such-model", messages=MESSAGES)
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(model="openai-fails-429", messages=MESSAGES)
    assert raised.value.response.headers["retry-after"] == "7"


def test_a_wrong_field_is_named(client, seen):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="main-model", messages=[{"role": "king", "content": "x"}])
    assert raised.value.param == "messages[0].role"
    assert not seen


def test_a_stream_that_breaks_is_an_api_error(client):
    said = ""
    with pytest.raises(openai.APIError) as raised:
        for chunk in client.chat.completions.create(model="openai-breaks", messages=MESSAGES, stream=True):
            said += chunk.choices[0].delta.content or ""
    assert said == TEXT[0]
    assert "it broke" in str(raised.value)


def test_a_wrong_key_is_the_clients_own_fault(gateway):
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key="jf-wrong", max_retries=0, timeout=PATIENCE) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model="main-model", messages=MESSAGES)


def test_the_models_are_listed(client):
    models = {model.id: model for model in client.models.list()}
    assert {"main-model", "task-model"} <= set(models)
    assert models["main-model"].object == "model"
    assert models["main-model"].owned_by == "openai"


@pytest.mark.parametrize(
    "how",
    [
        {"model": "auto", "metadata": {"task": "summarization"}},
        {"model": "auto", "extra_body": {"metadata": {"task": "summarization"}}},
        {"model": "main-model", "extra_headers": {"x-jackfield-task": "summarization"}},
        {"model": "task/summarization"},
    ],
)
def test_a_task_picks_its_model(client, seen, how):
    client.chat.completions.create(messages=MESSAGES, **how)
    assert seen[0]["body"] == {"model": "up-task", "messages": MESSAGES}


def test_many_at_once(client):
    from concurrent.futures import ThreadPoolExecutor

    def ask(_):
        return client.chat.completions.create(model="main-model", messages=MESSAGES).choices[0].message.content

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(64))) == {"".join(TEXT)}


def test_the_async_client(gateway):
    import asyncio

    async def ask():
        options = {"base_url": f"{gateway}/v1", "api_key": CLIENT_KEY, "max_retries": 0, "timeout": PATIENCE}
        async with openai.AsyncOpenAI(**options) as client:
            stream = await client.chat.completions.create(model="main-model", messages=MESSAGES, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream])

    assert asyncio.run(ask()) == "".join(TEXT)
