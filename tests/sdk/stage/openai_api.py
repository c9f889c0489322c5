"""OpenAI's API: chat completions and embeddings."""

import base64
import json
import re
import struct

from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming
from openai.types.embedding_create_params import EmbeddingCreateParams

from . import script, shapes
from .script import Heard, demand
from .server import Provider

USAGE = {
    "prompt_tokens": script.USAGE["input"],
    "completion_tokens": script.USAGE["output"],
    "total_tokens": script.USAGE["input"] + script.USAGE["output"],
}
CODES = {
    400: ("invalid_request_error", "odd"),
    401: ("invalid_request_error", "invalid_api_key"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("service_unavailable_error", None),
}
# Beyond this the API refuses a call's id.
MAX_ID = 40


class OpenAi(Provider):
    name = kind = "openai"
    embeds = True

    def settings(self):
        return f'base_url: "{self.address}/v1", api_key: "${{UP_KEY}}"'

    def route(self, request):
        """What of the API is asked for; complains of addresses and keys that are wrong."""
        demand(request.headers.get("authorization") == f"Bearer {script.KEY}", "the key is wrong")
        demand(request.path.startswith("/v1/"), f"nothing is at {request.path}")
        return request.path.removeprefix("/v1/")

    def model(self, request):
        return self.model_of(request.body["model"])

    def hear(self, request):
        route, body = self.route(request), request.body
        demand(route in ("chat/completions", "embeddings"), f"nothing is at {request.path}")
        if route == "embeddings":
            shapes.check(EmbeddingCreateParams, body)
            return Heard(model=self.model(request))
        stream = body.get("stream", False)
        shape = CompletionCreateParamsStreaming if stream else CompletionCreateParamsNonStreaming
        shapes.check(shape, {**body, "messages": [taken_back(message) for message in body["messages"]]})
        heard = Heard(model=self.model(request), stream=stream)
        hear_messages(body["messages"], heard)
        for tool in body.get("tools", []):
            heard.tools[tool["function"]["name"]] = tool["function"].get("parameters")
        demand("tools" not in body or body["tools"], "there are tools, but none")
        demand("tool_choice" not in body or heard.tools, "there is nothing to choose from")
        if (form := body.get("response_format") or {}).get("type") == "json_schema":
            heard.schema = form["json_schema"]["schema"]
            demand(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", form["json_schema"]["name"]), "the schema's name is none")
        heard.limit = body.get("max_completion_tokens", body.get("max_tokens"))
        heard.temperature, stop = body.get("temperature"), body.get("stop") or []
        heard.stop = [stop] if isinstance(stop, str) else stop
        return heard

    def answer(self, reply, request):
        body = request.body
        if request.path.split("?")[0].endswith("/embeddings"):
            return reply.json(200, embeddings(body))
        said = script.answer(request.heard)
        if not request.heard.stream:
            return reply.json(200, completion(said))
        chunks = chunks_of(said)
        if said.cut:
            return reply.events([data(chunk) for chunk in chunks], cut=True)
        asked = (body.get("stream_options") or {}).get("include_usage")
        chunks += [usage_chunk()] if asked and not said.breaks else []
        return reply.events([data(chunk) for chunk in chunks] + ["data: [DONE]"])

    def fail(self, reply, status, message):
        type, code = CODES[status]
        headers = [("retry-after", script.RETRY_AFTER)] if status == 429 else []
        error = {"message": message, "type": type, "param": None, "code": code}
        return reply.json(status, {"error": error}, headers)


def taken_back(message):
    """A message of the assistant's without what the API says of it and lets clients repeat: that there is no more."""
    if message["role"] != "assistant":
        return message
    return {key: value for key, value in message.items() if value not in (None, [])}


def data(value):
    return f"data: {json.dumps(value)}"


def hear_messages(messages, heard):
    """Every call has its result right after it, as the API demands."""
    ids, waiting = [], set()
    for message in messages:
        role, content = message["role"], message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        texts = [part["text"] for part in parts if part["type"] == "text" and part["text"]]
        if role == "tool":
            id = message["tool_call_id"]
            demand(id in waiting, f"nobody called {id}")
            waiting.remove(id)
            heard.results.append((ids.index(id), "".join(texts)))
            continue
        demand(not waiting, f"no result came of {waiting}")
        (heard.system if role in ("system", "developer") else heard.texts).extend(texts)
        for part in parts:
            if part["type"] == "image_url":
                heard.images.append(picture(part["image_url"]["url"]))
        for call in message.get("tool_calls") or []:
            demand(len(call["id"]) <= MAX_ID, f"the id {call['id']} is too long")
            json.loads(call["function"]["arguments"])
            heard.calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
            ids.append(call["id"])
            waiting.add(call["id"])
        demand(content or message.get("tool_calls") or role == "user", f"the {role} says nothing")
    demand(not waiting, f"no result came of {waiting}")
    heard.answered = messages[-1]["role"] == "tool"


def picture(url):
    """Type and bytes of a picture."""
    inline = re.fullmatch(r"data:(image/[a-z]+);base64,([A-Za-z0-9+/=]+)", url)
    return inline.groups() if inline else (None, url)


def call_of(call, arguments):
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def finish_of(said):
    return "tool_calls" if said.calls else "stop"


def completion(said):
    message = {"role": "assistant", "content": "".join(said.pieces) or None, "refusal": None}
    if said.calls:
        message["tool_calls"] = [call_of(call, "".join(call.arguments)) for call in said.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_of(said)}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "upstream-model",
            "choices": [choice], "usage": USAGE}


def chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "upstream-model",
            "choices": [choice], "usage": None}


def chunks_of(said):
    chunks = [chunk({"role": "assistant", "content": ""})] + [chunk({"content": piece}) for piece in said.pieces]
    if said.breaks:
        return chunks[:2] + [{"error": {"message": "it broke", "type": "server_error"}}]
    if said.cut:
        return chunks[:2]
    for index, call in enumerate(said.calls):
        chunks.append(chunk({"tool_calls": [{"index": index, **call_of(call, "")}]}))
        parts = [{"index": index, "function": {"arguments": piece}} for piece in call.arguments]
        chunks += [chunk({"tool_calls": [part]}) for part in parts]
    return chunks + [chunk({}, finish_of(said))]


def usage_chunk():
    return {**chunk({}), "choices": [], "usage": USAGE}


def embeddings(body):
    """The same vector for every text, as long as was asked for, as numbers or as base64 of little-endian floats."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vector = script.VECTOR[: body.get("dimensions")]
    if body.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    data = [{"object": "embedding", "index": at, "embedding": vector} for at in range(len(texts))]
    tokens = script.EMBEDDED["input"]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": "upstream-model", "usage": usage}
