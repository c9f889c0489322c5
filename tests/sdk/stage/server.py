"""A provider on a port that the system picks. It remembers every request, so that a test can look at what the gateway
made of it. What it answers is its kind's business: see `answer`.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from . import script


class Provider:
    """The server, its address and what it was asked. One subclass for each API."""

    # The provider's `kind` in the gateway's configuration.
    kind = None
    # Whether its API has embeddings.
    embeds = False

    def __init__(self):
        self.requests = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # One write an answer: a write a header would wait for Nagle.
            wbufsize = -1

            def do_POST(self):
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length))
                provider.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
                provider.answer(Reply(self), self.path, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever)

    def settings(self):
        """The provider's settings besides `kind`, as YAML in braces wants them."""
        raise NotImplementedError

    def answer(self, reply, path, body):
        """Answers one request through `reply`."""
        raise NotImplementedError

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

    def json(self, status, value):
        data = json.dumps(value).encode()
        self.handler.send_response(status)
        self.handler.send_header("content-type", "application/json")
        self.handler.send_header("content-length", str(len(data)))
        if status == 429:
            self.handler.send_header("retry-after", script.RETRY_AFTER)
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def events(self, frames):
        """Server-sent events; each frame is its text without the blank line."""
        self.handler.send_response(200)
        self.handler.send_header("content-type", "text/event-stream")
        self.handler.send_header("transfer-encoding", "chunked")
        self.handler.end_headers()
        for frame in frames:
            data = f"{frame}\n\n".encode()
            self.handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.handler.wfile.flush()
        self.handler.wfile.write(b"0\r\n\r\n")
