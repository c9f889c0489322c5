"""Every API of OpenAI's that the gateway speaks, through the official package, over every kind of provider."""

import json

import openai
import pydantic
import pytest

from stage.script import ARGUMENTS, JSON, KEY, OTHER_ARGUMENTS, TEXT, USAGE

MESSAGES = [{"role": "user", "content": "What is the answer?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]
TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}]
CITIES = ["".join(ARGUMENTS), "".join(OTHER_ARGUMENTS)]


class Answer(pydantic.BaseModel):
    answer: int


def test_chat(client, kind):
    answer = client.chat.completions.create(model=f"{kind}-ok", messages=MESSAGES)
    assert answer.choices[0].message.content == "".join(TEXT)
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (USAGE["input"], USAGE["output"])
    chunks = client.chat.completions.create(
        model=f"{kind}-ok", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(chunks)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "".join(TEXT)
    assert [c.usage.completion_tokens for c in chunks if c.usage] == [USAGE["output"]]


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_with_tools(client, kind, streamed):
    asked = {"model": f"{kind}-two-calls", "tools": CHAT_TOOLS}
    if streamed:
        with client.chat.completions.stream(messages=MESSAGES, **asked) as stream:
            message = stream.get_final_completion().choices[0].message
    else:
        message = client.chat.completions.create(messages=MESSAGES, **asked).choices[0].message
    assert [json.loads(call.function.arguments) for call in message.tool_calls] == [json.loads(c) for c in CITIES]
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
    said = message.to_dict()
    said.pop("parsed", None)
    for call in said["tool_calls"]:
        call.pop("index", None)
        call["function"].pop("parsed_arguments", None)
    second = client.chat.completions.create(messages=[*MESSAGES, said, *results], **asked)
    assert second.choices[0].message.content == "".join(TEXT)


def test_chat_with_a_schema(client, kind):
    answer = client.chat.completions.parse(model=f"{kind}-ok", messages=MESSAGES, response_format=Answer)
    assert answer.choices[0].message.parsed == Answer(answer=42)


def test_a_response(client, kind):
    response = client.responses.create(model=f"{kind}-ok", input="What?", instructions="Be brief.")
    assert response.output_text == "".join(TEXT)
    assert (response.status, response.instructions, response.error) == ("completed", "Be brief.", None)
    assert (response.usage.input_tokens, response.usage.output_tokens) == (USAGE["input"], USAGE["output"])
    assert response.usage.output_tokens_details.reasoning_tokens == 0


def test_a_response_is_all_that_the_models_demand(client, kind):
    """The SDK takes objects as they come; asked to be strict, it validates every field."""
    response = client.responses.create(model=f"{kind}-ok", input="What?", tools=[])
    type(response).model_validate(response.to_dict())
    for event in client.responses.create(model=f"{kind}-ok", input="What?", stream=True):
        type(event).model_validate(event.to_dict())


def test_a_streamed_response(client, kind):
    with client.responses.stream(model=f"{kind}-ok", input="What?") as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == "".join(TEXT)
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert final.output_text == "".join(TEXT)
    assert final.usage.total_tokens == USAGE["input"] + USAGE["output"]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_response_with_tools(client, kind, streamed):
    asked = {"model": f"{kind}-two-calls", "tools": TOOLS}
    question = [{"role": "user", "content": "Where does it rain?"}]
    if streamed:
        with client.responses.stream(input=question, **asked) as stream:
            response = stream.get_final_response()
    else:
        response = client.responses.create(input=question, **asked)
    calls = [item for item in response.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == [json.loads(c) for c in CITIES]
    said = [item.to_dict() for item in response.output]
    for item in said:
        item.pop("parsed_arguments", None)
    results = [{"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in calls]
    second = client.responses.create(input=[*question, *said, *results], **asked)
    assert second.output_text == "".join(TEXT)


def test_a_response_with_a_schema(client, kind):
    response = client.responses.parse(model=f"{kind}-ok", input="What?", text_format=Answer)
    assert response.output_parsed == Answer(answer=42)
    with client.responses.stream(model=f"{kind}-ok", input="What?", text_format=Answer) as stream:
        response = stream.get_final_response()
    assert response.output_parsed == Answer(answer=42)
    assert response.output_text == "".join(JSON)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("id", "error", "status"),
    [
        ("fails-400", openai.BadRequestError, 400),
        ("fails-429", openai.RateLimitError, 429),
        ("fails-500", openai.InternalServerError, 502),
        ("fails-401", openai.InternalServerError, 502),
    ],
)
def test_failures_are_the_sdks_own(client, kind, api, id, error, status, stream):
    with pytest.raises(openai.APIStatusError) as raised:
        if api == "chat":
            client.chat.completions.create(model=f"{kind}-{id}", messages=MESSAGES, stream=stream)
        else:
            client.responses.create(model=f"{kind}-{id}", input="x", stream=stream)
    assert (type(raised.value), raised.value.status_code) == (error, status)
    assert {"message", "type", "param", "code"} == set(raised.value.body)
    assert KEY not in str(raised.value) + raised.value.response.text


def test_a_response_that_breaks_off_says_so(client, kind):
    events = list(client.responses.create(model=f"{kind}-breaks", input="x", stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == TEXT[0]
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert "it broke" in events[-2].message
    assert events[-1].response.status == "failed"
    assert events[-1].response.error.code == "server_error"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"truncation": "auto"}, "truncation"),
    ],
)
def test_what_nobody_can_do_is_named(client, kind, asked, param):
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model=f"{kind}-ok", input="x", **asked)
    assert (raised.value.code, raised.value.param) == ("unsupported_parameter", param)


def test_the_simulation_speaks_it_too(client):
    whole = client.responses.create(model="simulated", input="What?")
    with client.responses.stream(model="simulated", input="What?") as stream:
        assert stream.get_final_response().output_text == whole.output_text
    assert whole.output_text.startswith("[simulated simulated]")
