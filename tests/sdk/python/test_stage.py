"""The stage itself, without the gateway: each provider's own package is content with it. So a request that the stage
complains of, or an answer that the gateway cannot read, is not the stage's mistake.
"""

import anthropic
import botocore.session
import openai
import pytest
from botocore.config import Config
from botocore.eventstream import EventStreamBuffer
from google import genai

from stage import azure_api, bedrock_api
from stage.event_stream import frame
from stage.gateway import PATIENCE
from stage.script import JSON, KEY, TEXT, USAGE
from wishes import CITIES, MESSAGES, PARAMETERS, QUESTION, RESULTS, second_turn

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}]


@pytest.fixture
def provider(running, kind):
    running.providers[kind].requests.clear()
    return running.providers[kind]


def chat_client(provider):
    options = {"api_key": KEY, "max_retries": 0, "timeout": PATIENCE}
    if provider.name == "openai":
        return openai.OpenAI(base_url=f"{provider.address}/v1", **options)
    return openai.AzureOpenAI(azure_endpoint=provider.address, api_version=azure_api.VERSION, **options)


# Azure's client does not speak its v1 API, and the other one has another header for the key.
@pytest.mark.parametrize("kind", ["openai", "azure-dated"])
def test_openais_package(provider):
    with chat_client(provider) as client:
        chat = client.chat.completions
        assert chat.create(model="ok", messages=MESSAGES).choices[0].message.content == "".join(TEXT)
        chunks = list(chat.create(model="ok", messages=MESSAGES, stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "".join(TEXT)
        message = chat.create(model="two-calls", messages=MESSAGES, tools=TOOLS).choices[0].message
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(message.tool_calls, RESULTS, strict=True)
        ]
        second = chat.create(model="two-calls", messages=[*MESSAGES, message, *results], tools=TOOLS)
        assert second.choices[0].message.content == "".join(TEXT)
        with pytest.raises(openai.RateLimitError):
            chat.create(model="fails-429", messages=MESSAGES)
        with pytest.raises(openai.APIError, match="it broke"):
            list(chat.create(model="breaks", messages=MESSAGES, stream=True))
    second_turn(provider.requests[3].heard, QUESTION)


@pytest.mark.parametrize("kind", ["anthropic"])
def test_anthropics_package(provider):
    options = {"base_url": provider.address, "api_key": KEY, "max_retries": 0, "timeout": PATIENCE}
    ask = {id: {"model": provider.prefix + id, "max_tokens": 9} for id in ("ok", "two-calls", "fails-529", "breaks")}
    tools = [{"name": "weather", "input_schema": PARAMETERS}]
    with anthropic.Anthropic(**options) as client:
        assert client.messages.create(messages=MESSAGES, **ask["ok"]).content[0].text == "".join(TEXT)
        with client.messages.stream(messages=MESSAGES, tools=tools, **ask["two-calls"]) as stream:
            first = stream.get_final_message()
        assert [block.input for block in first.content] == CITIES
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": result}
            for block, result in zip(first.content, RESULTS, strict=True)
        ]
        said = [*MESSAGES, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
        client.messages.create(messages=said, tools=tools, **ask["two-calls"])
        second_turn(provider.requests[-1].heard, QUESTION)
        with pytest.raises(anthropic.OverloadedError):
            client.messages.create(messages=MESSAGES, **ask["fails-529"])
        with pytest.raises(anthropic.APIStatusError, match="it broke"):
            with client.messages.stream(messages=MESSAGES, **ask["breaks"]) as stream:
                stream.get_final_message()


@pytest.mark.parametrize("kind", ["gemini", "gemini-2"])
def test_googles_package(provider):
    types = genai.types
    options = {"base_url": provider.address, "api_version": "v1beta", "retry_options": {"attempts": 1}}
    client = genai.Client(api_key=KEY, http_options=options)
    declared = types.FunctionDeclaration(name="weather", parameters_json_schema=PARAMETERS)
    config = {"tools": [types.Tool(function_declarations=[declared])]}
    said = [types.Content(role="user", parts=[types.Part(text=QUESTION)])]
    ask = {id: {"model": provider.prefix + id, "contents": said} for id in ("ok", "two-calls", "fails-429", "breaks")}
    assert client.models.generate_content(**ask["ok"]).text == "".join(TEXT)
    pieces = list(client.models.generate_content_stream(**ask["ok"]))
    assert "".join(piece.text or "" for piece in pieces) == "".join(TEXT)
    assert pieces[-1].usage_metadata.total_token_count == sum(USAGE.values())
    bound = {"response_mime_type": "application/json", "response_json_schema": {"type": "object"}}
    assert client.models.generate_content(**ask["ok"], config=bound).text == "".join(JSON)
    first = client.models.generate_content(**ask["two-calls"], config=config)
    assert [call.args for call in first.function_calls] == CITIES
    results = [
        types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": result}))
        for call, result in zip(first.function_calls, RESULTS, strict=True)
    ]
    said += [first.candidates[0].content, types.Content(role="user", parts=results)]
    assert client.models.generate_content(**ask["two-calls"], config=config).text == "".join(TEXT)
    second_turn(provider.requests[-1].heard, QUESTION)
    with pytest.raises(genai.errors.ClientError, match="slow down"):
        client.models.generate_content(**{**ask["fails-429"], "contents": said[:1]})
    with pytest.raises(genai.errors.APIError, match="it broke"):
        list(client.models.generate_content_stream(**{**ask["breaks"], "contents": said[:1]}))


@pytest.fixture
def bedrock(provider):
    """AWS's package. It signs; API keys it shows to nobody without TLS."""
    client = botocore.session.get_session().create_client(
        "bedrock-runtime", region_name=bedrock_api.REGION, endpoint_url=provider.address,
        aws_access_key_id=bedrock_api.KEY_ID, aws_secret_access_key=KEY, aws_session_token=bedrock_api.TOKEN,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE),
    )
    yield client
    client.close()


@pytest.mark.parametrize("kind", ["bedrock"])
def test_aws_package(provider, bedrock):
    said = [{"role": "user", "content": [{"text": QUESTION}]}]
    spec = {"name": "weather", "inputSchema": {"json": PARAMETERS}}
    tools = {"toolConfig": {"tools": [{"toolSpec": spec}]}}
    ask = {id: {"modelId": provider.prefix + id} for id in ("ok", "two-calls", "fails-429", "breaks")}
    assert bedrock.converse(messages=said, **ask["ok"])["output"]["message"]["content"] == [{"text": "".join(TEXT)}]
    events = list(bedrock.converse_stream(messages=said, **ask["ok"])["stream"])
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert (deltas, events[-1]["metadata"]["usage"]["outputTokens"]) == (TEXT, USAGE["output"])
    first = bedrock.converse(messages=said, **ask["two-calls"], **tools)["output"]["message"]
    results = [
        {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": result}]}}
        for block, result in zip(first["content"], RESULTS, strict=True)
    ]
    bedrock.converse(messages=[*said, first, {"role": "user", "content": results}], **ask["two-calls"], **tools)
    second_turn(provider.requests[-1].heard, QUESTION)
    with pytest.raises(bedrock.exceptions.ThrottlingException, match="slow down"):
        bedrock.converse(messages=said, **ask["fails-429"])
    with pytest.raises(botocore.exceptions.EventStreamError, match="it broke"):
        list(bedrock.converse_stream(messages=said, **ask["breaks"])["stream"])


def test_a_frame_is_what_awss_package_reads():
    buffer = EventStreamBuffer()
    buffer.add_data(frame("event", "messageStop", {"stopReason": "end_turn"}))
    [message] = list(buffer)
    assert (message.headers[":event-type"], message.payload) == ("messageStop", b'{"stopReason": "end_turn"}')


def test_the_stage_complains(running):
    """Of what its shapes and rules do not have: one provider stands for all."""
    provider = running.providers["openai"]
    with openai.OpenAI(base_url=f"{provider.address}/v1", api_key=KEY, max_retries=0, timeout=PATIENCE) as client:
        for messages in [
            [{"role": "user"}],
            [{"role": "king", "content": "x"}],
            [{"role": "user", "content": 5}],
            [{"role": "tool", "tool_call_id": "call_1", "content": "x"}],
        ]:
            with pytest.raises(openai.BadRequestError):
                client.chat.completions.create(model="ok", messages=messages)
            [complaint] = running.complaints()
            assert complaint.startswith("openai: ")
