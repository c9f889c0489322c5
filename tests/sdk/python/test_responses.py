"""Responses through the official `openai` package, unchanged, over every kind of provider."""

import json

import openai
import pytest

from stage.script import JSON, KEY, TEXT, USAGE
from wishes import CITIES, PARAMETERS, PNG, QUESTION, RESULTS, Answer, second_turn

TOOLS = [{"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": False}]


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
def test_a_response_with_two_calls_and_their_results(client, kind, seen, streamed):
    asked = {"model": f"{kind}-two-calls", "tools": TOOLS}
    question = [{"role": "user", "content": "Where does it rain?"}]
    if streamed:
        with client.responses.stream(input=question, **asked) as stream:
            response = stream.get_final_response()
    else:
        response = client.responses.create(input=question, **asked)
    calls = [item for item in response.output if item.type == "function_call"]
    assert [json.loads(call.arguments) for call in calls] == CITIES
    said = [item.to_dict() for item in response.output]
    for item in said:
        item.pop("parsed_arguments", None)
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": result}
        for call, result in zip(calls, RESULTS, strict=True)
    ]
    second = client.responses.create(input=[*question, *said, *results], **asked)
    assert second.output_text == "".join(TEXT)
    second_turn(seen[1].heard, "Where does it rain?")


def test_a_response_with_a_schema(client, kind, seen):
    response = client.responses.parse(model=f"{kind}-ok", input="What?", text_format=Answer)
    assert response.output_parsed == Answer(answer=42)
    with client.responses.stream(model=f"{kind}-ok", input="What?", text_format=Answer) as stream:
        response = stream.get_final_response()
    assert response.output_parsed == Answer(answer=42)
    assert json.loads(response.output_text) == json.loads("".join(JSON))
    for request in seen:
        schema = request.heard.schema
        assert (schema["properties"]["answer"]["type"], schema["required"]) == ("integer", ["answer"])


def test_a_picture_and_instructions(client, kind, seen):
    picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"}
    asked = [{"role": "user", "content": [{"type": "input_text", "text": QUESTION}, picture]}]
    response = client.responses.create(model=f"{kind}-ok", input=asked, instructions="Be brief.", max_output_tokens=77)
    assert response.output_text == "".join(TEXT)
    heard = seen[0].heard
    assert (heard.system, heard.texts) == (["Be brief."], [QUESTION])
    assert (heard.images, heard.limit) == ([("image/png", PNG)], 77)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("id", "error", "status"),
    [
        ("fails-400", openai.BadRequestError, 400),
        ("fails-429", openai.RateLimitError, 429),
        ("fails-500", openai.InternalServerError, 502),
        ("fails-503", openai.InternalServerError, 502),
        ("fails-401", openai.InternalServerError, 502),
    ],
)
def test_failures_are_the_sdks_own(client, kind, id, error, status, stream):
    with pytest.raises(openai.APIStatusError) as raised:
        client.responses.create(model=f"{kind}-{id}", input="x", stream=stream)
    assert (type(raised.value), raised.value.status_code) == (error, status)
    assert {"message", "type", "param", "code"} == set(raised.value.body)
    assert raised.value.response.headers.get("retry-after") == ("7" if status == 429 else None)
    assert KEY not in str(raised.value) + raised.value.response.text


@pytest.mark.parametrize(("id", "said"), [("breaks", "it broke"), ("cut", "broke off")])
def test_a_response_that_breaks_off_says_so(client, kind, id, said):
    events = list(client.responses.create(model=f"{kind}-{id}", input="x", stream=True))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == TEXT[0]
    assert [event.type for event in events[-2:]] == ["error", "response.failed"]
    assert said in events[-2].message
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
