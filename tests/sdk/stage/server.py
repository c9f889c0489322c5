"""A provider on a port that the system picks. It remembers every request, so that a test can look at what the gateway
made of it, and complains of every one that its API would not take: whoever runs a test asks for `complaints` after it.
What it wants and answers is its API's business.
"""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import script
from .script import Complaint, Heard


@dataclass
class Request:
    """What came."""

    path: str
    # By their names in small letters.
    headers: dict
    raw: bytes
    body: dict
    heard: Heard | None = None


class Provider:
    """The server, its address and what it was asked. One subclass for each API and way of speaking it."""

    # What it is called on the stage.
    name = None
    # Its `kind` in the gateway's configuration.
    kind = None
    # What the ids of its models begin with, where the gateway tells a maker's models apart by that.
    prefix = ""
    # Whether its API has embeddings, and whether it counts tokens.
    embeds = False
    counts = False

    def __init__(self):
        self.requests = []
        self.complaints = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One write an answer: a write a header would wait for Nagle.
            wbufsize = -1

            def do_POST(self):
                raw = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                provider.handle(Reply(self), Request(self.path, headers, raw, json.loads(raw)))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    def handle(self, reply, request):
        """Answers one request."""
        self.requests.append(request)
        try:
            request.heard = self.hear(request)
        except Exception as wrong:  # Whatever a check stumbles over is the request's fault.
            self.complaints.append(f"{type(wrong).__name__}: {wrong}; {request.path} {request.raw.decode()}")
            return self.fail(reply, 400, f"{wrong}")
        if status := script.failure(request.heard.model):
            return self.fail(reply, status, script.FAILURES[status])
        self.answer(reply, request)

    def settings(self):
        """The provider's settings besides `kind`, as YAML in braces wants them."""
        raise NotImplementedError

    def hear(self, request):
        """Checks a request and gives what it says."""
        raise NotImplementedError

    def answer(self, reply, request):
        """Answers what was heard through `reply`."""
        raise NotImplementedError

    def fail(self, reply, status, message):
        """Answers with an error in its API's words."""
        raise NotImplementedError

    def model_of(self, id):
        script.demand(id.startswith(self.prefix), f"the model {id} is not served here")
        return id.removeprefix(self.prefix)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Reply:
    """One answer on its way."""

    def __init__(self, handler):
        self.handler = handler

    def json(self, status, value, headers=()):
        data = json.dumps(value).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(data))), *headers]
        self.head(status, headers)
        self.handler.wfile.write(data)

    def events(self, frames, cut=False):
        """Server-sent events; each frame is its text without the blank line."""
        self.stream("text/event-stream", [f"{frame}\n\n".encode() for frame in frames], cut)

    def stream(self, media_type, pieces, cut=False):
        """A body in pieces. `cut`: the connection is closed where the next would come."""
        self.head(200, [("content-type", media_type), ("transfer-encoding", "chunked")])
        for piece in pieces:
            self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.handler.wfile.flush()
        if cut:
            self.handler.close_connection = True
            return
        self.handler.wfile.write(b"0\r\n\r\n")

    def head(self, status, headers):
        self.handler.send_response(status)
        for name, value in headers:
            self.handler.send_header(name, value)
        self.handler.end_headers()
