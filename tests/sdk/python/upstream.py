"""A provider that always gives the same answers, by the model that is asked for.

Plain standard library, on a port the system picks. It remembers every request, so that a test can
look at what the gateway made of it.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "sk-upstream-4f0c1d9e7a52"
TEXT = ["The ", "answer", " is 42."]
ARGUMENTS = ['{"city":', ' "Ghent"}']
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}

# Status, error type, code and message, by model.
FAILURES = {
    "fails-400": (400, "invalid_request_error", "odd", "that is odd"),
    "fails-401": (401, "authentication_error", "invalid_api_key", f"Incorrect API key provided: {KEY}"),
    "fails-429": (429, "rate_limit_error", "rate_limit_exceeded", "slow down"),
    "fails-500": (500, "server_error", None, "we broke"),
}


class Upstream:
    """The server, its base URL and what it was asked."""

    def __init__(self):
        self.requests = []
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One write an answer: a write a header would wait for Nagle.
            wbufsize = -1

            def do_POST(self):
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length))
                upstream.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
                self.answer(body)

            def answer(self, body):
                model = body["model"]
                if model in FAILURES:
                    status, kind, code, message = FAILURES[model]
                    error = {"message": message, "type": kind, "param": None, "code": code}
                    return self.whole(status, {"error": error})
                if body.get("stream"):
                    frames = tool_frames() if body.get("tools") else text_frames(model)
                    asked = (body.get("stream_options") or {}).get("include_usage")
                    return self.stream(frames + ([usage_frame()] if asked else []))
                return self.whole(200, completion(tool_message() if body.get("tools") else text_message()))

            def whole(self, status, value):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                if status == 429:
                    self.send_header("retry-after", "7")
                self.end_headers()
                self.wfile.write(data)

            def stream(self, chunks):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("transfer-encoding", "chunked")
                self.end_headers()
                for data in [json.dumps(chunk) for chunk in chunks] + ["[DONE]"]:
                    frame = f"data: {data}\n\n".encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def text_message():
    return {"role": "assistant", "content": "".join(TEXT), "refusal": None}, "stop"


def tool_message():
    function = {"name": "weather", "arguments": "".join(ARGUMENTS)}
    call = {"id": "call_1", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"


def completion(said):
    message, finish = said
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "upstream-model",
            "choices": [choice], "usage": USAGE}


def chunk(delta, finish=None):
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "upstream-model",
            "choices": [choice], "usage": None}


def text_frames(model):
    """The answer in pieces; the model `breaks` stops after the first with an error event."""
    frames = [chunk({"role": "assistant", "content": ""})] + [chunk({"content": piece}) for piece in TEXT]
    if model == "breaks":
        return frames[:2] + [{"error": {"message": "it broke", "type": "server_error"}}]
    return frames + [chunk({}, "stop")]


def tool_frames():
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
    more = [{"index": 0, "function": {"arguments": piece}} for piece in ARGUMENTS]
    deltas = [{"role": "assistant", "content": None, "tool_calls": [first]}]
    return [chunk(delta) for delta in deltas + [{"tool_calls": [part]} for part in more]] + [chunk({}, "tool_calls")]


def usage_frame():
    return {**chunk({}), "choices": [], "usage": USAGE}
