"""Anthropic's Messages, and the counting of tokens."""

import json
import re

from anthropic._constants import ANTHROPIC_API_VERSION
from anthropic.types.message_count_tokens_params import MessageCountTokensParams
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

from . import script, shapes
from .script import Heard, demand
from .server import Provider

# The package speaks the newest version, whose types these are; what it has no more, the oldest one has.
OLD_VERSION = "2023-06-01"
OLD_FIELDS = {"temperature", "top_k", "top_p"}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    529: "overloaded_error",
}


class Anthropic(Provider):
    name = kind = "anthropic"
    prefix = "claude-stage-"
    counts = True

    def settings(self):
        return f'base_url: "{self.address}/v1", api_key: "${{UP_KEY}}"'

    def hear(self, request):
        body = request.body
        # The package shows it as a bearer; the API's other header is older.
        keys = [request.headers.get("x-api-key"), request.headers.get("authorization")]
        demand(keys in ([script.KEY, None], [None, f"Bearer {script.KEY}"]), "the key is wrong, or there are two")
        version = request.headers.get("anthropic-version")
        demand(version in (OLD_VERSION, ANTHROPIC_API_VERSION), f"there is no version {version}")
        old = OLD_FIELDS if version == OLD_VERSION else set()
        typed = {key: value for key, value in body.items() if key not in old}
        stream = body.get("stream", False)
        if request.path == "/v1/messages/count_tokens":
            shapes.check(MessageCountTokensParams, typed)
        else:
            demand(request.path == "/v1/messages", f"nothing is at {request.path}")
            shapes.check(MessageCreateParamsStreaming if stream else MessageCreateParamsNonStreaming, typed)
        heard = Heard(model=self.model_of(body["model"]), stream=stream)
        heard.system = texts_of(body.get("system", []))
        hear_messages(body["messages"], heard)
        for tool in body.get("tools", []):
            demand(re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", tool["name"]), f"{tool['name']} is no name")
            demand(tool["input_schema"]["type"] == "object", "a tool's input is an object")
            heard.tools[tool["name"]] = tool["input_schema"]
        demand(heard.tools or not heard.calls, "calls, but no tools")
        demand("tool_choice" not in body or heard.tools, "there is nothing to choose from")
        heard.schema = (body.get("output_config", {}).get("format") or {}).get("schema")
        heard.limit, heard.temperature = body.get("max_tokens"), body.get("temperature")
        heard.stop = body.get("stop_sequences", [])
        return heard

    def answer(self, reply, request):
        if request.path.endswith("/count_tokens"):
            return reply.json(200, {"input_tokens": script.COUNTED})
        said, model = script.answer(request.heard), request.body["model"]
        if request.heard.stream:
            events = [f"event: {event['type']}\ndata: {json.dumps(event)}" for event in events_of(said, model)]
            return reply.events(events, said.cut)
        content = [{"type": "text", "text": "".join(said.pieces), "citations": None}] if said.pieces else []
        for call in said.calls:
            content.append(call_of(call, json.loads("".join(call.arguments))))
        return reply.json(200, message(model, content, stop_of(said), script.USAGE["output"]))

    def fail(self, reply, status, message):
        headers = [("retry-after", script.RETRY_AFTER)] if status == 429 else []
        error = {"type": TYPES[status], "message": message}
        headers.append(("request-id", "req_stage"))
        return reply.json(status, {"type": "error", "error": error, "request_id": "req_stage"}, headers)


def blocks_of(content):
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def texts_of(content):
    return [block["text"] for block in blocks_of(content) if block["type"] == "text"]


def hear_messages(messages, heard):
    """The user begins; results come right after their calls, before anything else is said."""
    demand(messages[0]["role"] == "user", "the user does not begin")
    ids, waiting = [], set()
    for at, message in enumerate(messages):
        blocks = blocks_of(message["content"])
        demand(blocks, "somebody says nothing")
        results = [block for block in blocks if block["type"] == "tool_result"]
        demand(blocks[: len(results)] == results, "results come first")
        demand({block["tool_use_id"] for block in results} == waiting, f"these are not the results of {waiting}")
        for block in results:
            heard.results.append((ids.index(block["tool_use_id"]), "".join(texts_of(block.get("content", [])))))
        for block in blocks:
            if block["type"] == "text":
                demand(block["text"].strip(), "a text is blank")
                heard.texts.append(block["text"])
            elif block["type"] == "image":
                source = block["source"]
                inline = source["type"] == "base64"
                heard.images.append((source["media_type"], source["data"]) if inline else (None, source["url"]))
            elif block["type"] == "tool_use":
                demand(message["role"] == "assistant", "users call nobody")
                demand(re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]), f"{block['id']} is no id")
                heard.calls.append((block["name"], block["input"]))
                ids.append(block["id"])
        waiting = {block["id"] for block in blocks if block["type"] == "tool_use"}
    demand(not waiting, f"no result came of {waiting}")
    heard.answered = any(block["type"] == "tool_result" for block in blocks_of(messages[-1]["content"]))


def call_of(call, input):
    return {"type": "tool_use", "id": f"toolu_{call.id}", "name": call.name, "input": input}


def stop_of(said):
    return "tool_use" if said.calls else "end_turn"


def message(model, content, stop, output):
    usage = {"input_tokens": script.USAGE["input"], "output_tokens": output, "cache_read_input_tokens": 0,
             "cache_creation_input_tokens": 0, "service_tier": "standard"}
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": content,
            "stop_reason": stop, "stop_sequence": None, "usage": usage}


def events_of(said, model):
    yield {"type": "message_start", "message": message(model, [], None, 1)}
    blocks = [({"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in said.pieces])]
    if said.calls:
        # The API begins a call's input with nothing.
        blocks = [(call_of(call, {}), [{"type": "input_json_delta", "partial_json": p} for p in ["", *call.arguments]])
                  for call in said.calls]
    for index, (block, deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        yield {"type": "ping"}
        for at, delta in enumerate(deltas):
            if at == 1 and said.breaks:
                yield {"type": "error", "error": {"type": "api_error", "message": "it broke"}}
            if at == 1 and (said.breaks or said.cut):
                return
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    usage = {"output_tokens": script.USAGE["output"]}
    yield {"type": "message_delta", "delta": {"stop_reason": stop_of(said), "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}
