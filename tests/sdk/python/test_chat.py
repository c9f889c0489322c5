"""Chat completions through the official `openai` package, unchanged, over every kind of provider."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from stage.gateway import CLIENT_KEY, PATIENCE
from stage.kinds import KINDS, NATIVE
from stage.script import ARGUMENTS, KEY, TEXT, USAGE
from wishes import CITIES, MESSAGES, PARAMETERS, PNG, QUESTION, RESULTS, WRITTEN, Answer, second_turn

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells it.", "parameters": PARAMETERS}}]
TOTAL = sum(USAGE.values())


def said_in(chunks):
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def test_a_plain_answer(client, kind, seen):
    answer = client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES)
    assert answer.choices[0].message.content == "".join(TEXT)
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (USAGE["input"], USAGE["output"])
    assert answer.usage.total_tokens == TOTAL
    assert (seen[0].heard.model, seen[0].heard.texts, len(seen)) == ("ok", [QUESTION], 1)
    assert CLIENT_KEY not in str(seen[0].headers) + seen[0].path + seen[0].raw.decode()
    # The SDK takes objects as they come; asked to be strict, it validates every field.
    type(answer).model_validate(answer.to_dict())


@pytest.mark.parametrize("kind", NATIVE)
def test_a_request_in_the_providers_own_api_is_left_alone(client, running, kind, seen):
    asked = {"messages": MESSAGES, "logit_bias": {"5": 3}, "extra_body": {"odd": [1, {"b": None, "a": 2}]}}
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model=f"{kind}-ok", **asked)
    # Which is no field of OpenAI's, and whether it is theirs is the provider's business.
    [complaint] = running.complaints()
    assert "has no ['odd']" in complaint
    want = {"messages": MESSAGES, "logit_bias": {"5": 3}, "odd": [1, {"b": None, "a": 2}], "model": "ok"}
    assert seen[0].body == want


def test_the_answer_says_who_decided(client, kind):
    raw = client.chat.completions.with_raw_response.create(model=f"{kind}-ok", messages=MESSAGES)
    assert raw.headers["x-jackfield-model"] == f"{kind}-ok"
    assert raw.headers["x-jackfield-route"] == "named"
    assert raw.headers["x-jackfield-request-id"] == raw.request_id
    assert raw.request_id.startswith("req_")


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}])
def test_a_stream(client, kind, seen, options):
    extra = {} if options is None else {"stream_options": options}
    chunks = list(client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES, stream=True, **extra))
    assert said_in(chunks) == "".join(TEXT)
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    counted = [c.usage.total_tokens for c in chunks if c.usage]
    empty = [c for c in chunks if not c.choices]
    asked = bool(options and options["include_usage"])
    assert counted == ([TOTAL] if asked else [])
    assert len(empty) == (1 if asked else 0)
    assert seen[0].heard.stream
    if kind in NATIVE:
        # The gateway counts, whether or not the client wants to.
        assert seen[0].body["stream_options"] == {"include_usage": True}
    for chunk in chunks:
        type(chunk).model_validate(chunk.to_dict())


def test_the_stream_helper(client, kind):
    with client.chat.completions.stream(model=f"{kind}-ok", messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        assert "content.delta" in kinds and "content.done" in kinds
        message = stream.get_final_completion().choices[0].message
    assert (message.role, message.content) == ("assistant", "".join(TEXT))


def test_the_simulation(client):
    with client.chat.completions.stream(model="simulated", messages=MESSAGES) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.role == "assistant"
    assert message.content.startswith("[simulated simulated]")


def test_a_tool_call(client, kind, seen):
    answer = client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES, tools=TOOLS)
    [call] = answer.choices[0].message.tool_calls
    assert (call.type, call.function.name, json.loads(call.function.arguments)) == ("function", "weather", CITIES[0])
    assert answer.choices[0].finish_reason == "tool_calls"
    assert seen[0].heard.tools == {"weather": PARAMETERS}


def test_a_streamed_tool_call(client, kind):
    stream = client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES, tools=TOOLS, stream=True)
    chunks = [c for c in stream if c.choices]
    deltas = [part for c in chunks for part in c.choices[0].delta.tool_calls or []]
    assert deltas[0].id and deltas[0].function.name == "weather"
    assert json.loads("".join(part.function.arguments for part in deltas)) == CITIES[0]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    if kind in NATIVE:
        assert "".join(part.function.arguments for part in deltas) == "".join(ARGUMENTS)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        # As Bedrock, Gemini, Anthropic and OpenAI say it.
        ("required", [{"any": {}}, "ANY", "any", "required"]),
        ({"type": "function", "function": {"name": "weather"}}, [{"tool": {"name": "weather"}}, "ANY", "tool", "function"]),
        ("none", [None, "NONE", "none", "none"]),
    ],
)
def test_a_tool_that_must_or_must_not_be_called(client, kind, seen, choice, words):
    client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES, tools=TOOLS, tool_choice=choice)
    body = seen[0].body
    told = {
        "bedrock": lambda: body.get("toolConfig", {}).get("toolChoice"),
        "gemini": lambda: body["toolConfig"]["functionCallingConfig"]["mode"],
        "anthropic": lambda: body["tool_choice"]["type"],
        "openai": lambda: choice if isinstance(choice, str) else body["tool_choice"]["type"],
    }
    apis = {"bedrock": 0, "gemini": 1, "anthropic": 2}
    api = kind.split("-")[0] if kind.split("-")[0] in apis else "openai"
    assert told[api]() == words[apis.get(api, 3)]


@pytest.mark.parametrize("streamed", [False, True])
def test_two_calls_and_their_results(client, kind, seen, streamed):
    asked = {"model": f"{kind}-two-calls", "tools": TOOLS}
    if streamed:
        with client.chat.completions.stream(messages=MESSAGES, **asked) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=MESSAGES, **asked).choices[0].message
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == CITIES
    assert len({call.id for call in message.tool_calls}) == 2
    if kind in NATIVE:
        assert [call.function.arguments for call in message.tool_calls] == WRITTEN
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": result}
        for call, result in zip(message.tool_calls, RESULTS, strict=True)
    ]
    # Clients may tell results in any order.
    results.reverse()
    # What some clients write where nothing was said.
    said = {**message.to_dict(), "content": message.content or ""}
    said.pop("parsed", None)
    for call in said["tool_calls"]:
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    second = {"messages": [*MESSAGES, said, *results], **asked}
    if streamed:
        assert said_in(list(client.chat.completions.create(stream=True, **second))) == "".join(TEXT)
    else:
        assert client.chat.completions.create(**second).choices[0].message.content == "".join(TEXT)
    second_turn(seen[1].heard, QUESTION)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_schema(client, kind, seen, streamed):
    asked = {"model": f"{kind}-ok", "messages": MESSAGES, "response_format": Answer}
    if streamed:
        with client.chat.completions.stream(**asked) as stream:
            answer = stream.get_final_completion()
    else:
        answer = client.chat.completions.parse(**asked)
    assert answer.choices[0].message.parsed == Answer(answer=42)
    schema = seen[0].heard.schema
    assert (schema["properties"]["answer"]["type"], schema["required"]) == ("integer", ["answer"])
    assert schema["additionalProperties"] is False


def test_a_picture_and_instructions(client, kind, seen):
    url = f"data:image/png;base64,{PNG}"
    content = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": url}}]
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": content},
    ]
    answer = client.chat.completions.create(model=f"{kind}-ok", messages=messages, max_completion_tokens=77)
    assert answer.choices[0].message.content == "".join(TEXT)
    heard = seen[0].heard
    assert (heard.system, heard.texts) == (["Be brief."], ["Hello", "Yes?", QUESTION])
    assert (heard.images, heard.limit) == ([("image/png", PNG)], 77)


def test_a_picture_by_its_address(client, kind, seen):
    url = "https://example.com/dot.png"
    content = [{"type": "text", "text": QUESTION}, {"type": "image_url", "image_url": {"url": url}}]
    asked = {"model": f"{kind}-ok", "messages": [{"role": "user", "content": content}]}
    if kind.startswith("bedrock"):
        # It fetches nothing.
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(**asked)
        assert (raised.value.code, raised.value.param) == ("unsupported_parameter", "image_url")
    else:
        client.chat.completions.create(**asked)
        assert seen[0].heard.images == [(None, url)]


def test_settings(client, kind, seen):
    asked = {"model": f"{kind}-ok", "messages": MESSAGES, "stop": ["END"]}
    client.chat.completions.create(**asked)
    assert (seen[0].heard.stop, seen[0].heard.temperature) == (["END"], None)
    if kind == "anthropic":
        # Its newest models take none.
        with pytest.raises(openai.BadRequestError) as raised:
            client.chat.completions.create(**asked, temperature=0.5)
        assert (raised.value.code, raised.value.param) == ("unsupported_parameter", "temperature")
    else:
        client.chat.completions.create(**asked, temperature=0.5)
        assert seen[1].heard.temperature == 0.5


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("id", "error", "status"),
    [
        ("fails-400", openai.BadRequestError, 400),
        ("fails-401", openai.InternalServerError, 502),
        ("fails-429", openai.RateLimitError, 429),
        ("fails-500", openai.InternalServerError, 502),
        ("fails-503", openai.InternalServerError, 502),
    ],
)
def test_failures_are_the_sdks_own(client, kind, id, error, status, stream):
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=f"{kind}-{id}", messages=MESSAGES, stream=stream)
    # The class itself: a provider that refuses our key is no `AuthenticationError` of the client's.
    assert type(raised.value) is error
    assert raised.value.status_code == status
    assert {"message", "type", "param", "code"} == set(raised.value.body)
    assert raised.value.response.headers.get("retry-after") == ("7" if status == 429 else None)
    assert raised.value.request_id.startswith("req_")
    assert KEY not in str(raised.value) + raised.value.response.text


def test_what_a_provider_says_of_a_failure_is_told(client, kind):
    for id, said in [("fails-400", "that is odd"), ("fails-429", "slow down"), ("fails-503", "too much is going on")]:
        with pytest.raises(openai.APIStatusError, match=said):
            client.chat.completions.create(model=f"{kind}-{id}", messages=MESSAGES)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "error", "code"),
    [
        ("no-such-model", openai.NotFoundError, "model_not_found"),
        ("task/no-such-task", openai.BadRequestError, "unknown_task"),
    ],
)
def test_what_is_not_there_is_named(client, model, error, code, stream):
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=MESSAGES, stream=stream)
    assert raised.value.code == code


def test_a_wrong_field_is_named(client, kind, seen):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model=f"{kind}-ok", messages=[{"role": "king", "content": "x"}])
    assert raised.value.param == "messages[0].role"
    assert not seen


def test_a_stream_that_breaks_is_an_api_error(client, kind):
    said = ""
    with pytest.raises(openai.APIError, match="it broke"):
        for chunk in client.chat.completions.create(model=f"{kind}-breaks", messages=MESSAGES, stream=True):
            said += said_in([chunk])
    assert said == TEXT[0]


def test_a_stream_that_is_cut_is_an_api_error(client, kind):
    said = ""
    with pytest.raises(openai.APIError) as raised:
        for chunk in client.chat.completions.create(model=f"{kind}-cut", messages=MESSAGES, stream=True):
            said += said_in([chunk])
    assert (said, raised.value.code) == (TEXT[0], "upstream_broken")


def test_a_wrong_key_is_the_clients_own_fault(gateway, kind, seen):
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key="jf-wrong", max_retries=0, timeout=PATIENCE) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES)
    assert not seen


def test_the_models_are_listed(client, kind):
    models = {model.id: model for model in client.models.list()}
    assert {f"{kind}-ok", f"{kind}-task"} <= set(models)
    assert models[f"{kind}-ok"].object == "model"
    assert models[f"{kind}-ok"].owned_by == kind
    assert client.models.retrieve(f"{kind}-ok").id == f"{kind}-ok"


@pytest.mark.parametrize(
    "how",
    [
        lambda kind, task: {"model": "auto", "metadata": {"task": task}},
        lambda kind, task: {"model": "auto", "extra_body": {"metadata": {"task": task}}},
        lambda kind, task: {"model": f"{kind}-ok", "extra_headers": {"x-jackfield-task": task}},
        lambda kind, task: {"model": f"task/{task}"},
    ],
)
def test_a_task_picks_its_model(client, kind, seen, how):
    client.chat.completions.create(messages=MESSAGES, **how(kind, f"task-of-{kind}"))
    assert (seen[0].heard.model, seen[0].heard.texts) == ("task", [QUESTION])
    assert "metadata" not in seen[0].body


def test_many_at_once(client, kind):
    def ask(_):
        return client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES).choices[0].message.content

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(32))) == {"".join(TEXT)}


def test_the_async_client(gateway):
    async def ask():
        options = {"base_url": f"{gateway}/v1", "api_key": CLIENT_KEY, "max_retries": 0, "timeout": PATIENCE}
        async with openai.AsyncOpenAI(**options) as client:
            async def one(kind):
                stream = await client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES, stream=True)
                return said_in([chunk async for chunk in stream])

            return await asyncio.gather(*(one(kind) for kind in KINDS))

    assert asyncio.run(ask()) == ["".join(TEXT)] * len(KINDS)
