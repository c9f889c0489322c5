"""OpenAI's API: chat completions and embeddings."""

import base64
import json
import struct

from . import script
from .server import Provider

USAGE = {
    "prompt_tokens": script.USAGE["input"],
    "completion_tokens": script.USAGE["output"],
    "total_tokens": script.USAGE["input"] + script.USAGE["output"],
}


class OpenAi(Provider):
    kind = "openai"
    embeds = True

    def settings(self):
        return f'base_url: "{self.address}/v1", api_key: "${{UP_KEY}}"'

    def answer(self, reply, path, body):
        model = body["model"]
        if status := script.failure(model):
            code, message = script.FAILURES[status]
            error = {"message": message, "type": "error", "param": None, "code": code}
            return reply.json(status, {"error": error})
        if path == "/v1/embeddings":
            return reply.json(200, embeddings(body))
        if path != "/v1/chat/completions":
            return reply.json(404, {"error": {"message": f"no such path: {path}"}})
        said = script.answer(
            model,
            tools=body.get("tools"),
            results=body["messages"][-1]["role"] == "tool",
            schema=(body.get("response_format") or {}).get("type") == "json_schema",
        )
        if not body.get("stream"):
            return reply.json(200, completion(said))
        asked = (body.get("stream_options") or {}).get("include_usage")
        chunks = chunks_of(said) + ([usage_chunk()] if asked and not said.breaks else [])
        return reply.events([f"data: {json.dumps(chunk)}" for chunk in chunks] + ["data: [DONE]"])


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
