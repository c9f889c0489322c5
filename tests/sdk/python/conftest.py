"""The ground: a scripted provider, the real binary in front of it, and the official client.

Nothing sleeps: the binary says when it listens, and its end is waited for.
"""

import os
import re
import signal
import subprocess
import threading

import openai
import pytest

from upstream import KEY, Upstream

CLIENT_KEY = "jf-client-8b1f6c0d2e93"
# Far beyond what any wait here takes; a run that passes never gets near it.
PATIENCE = 60

CONFIG = """
server: {{ listen: 127.0.0.1:0 }}
keys: [{{ key: {client_key} }}]
providers:
  up: {{ kind: openai, base_url: "{base_url}", api_key: "${{UP_KEY}}" }}
  sim: {{ kind: simulated, latency: 1ms, chunk_latency: 1ms }}
models:
  simulated: {{ provider: sim }}
  main-model: {{ provider: up, id: up-main }}
  task-model: {{ provider: up, id: up-task }}
  breaks: {{ provider: up }}
  fails-400: {{ provider: up }}
  fails-401: {{ provider: up }}
  fails-429: {{ provider: up }}
  fails-500: {{ provider: up }}
orchestrator:
  default_model: main-model
  routes: [{{ task: summarization, model: task-model }}]
plugins: {{ dir: "{plugins}" }}
"""


@pytest.fixture(scope="session")
def provider():
    with Upstream() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def gateway(provider, tmp_path_factory):
    """The URL of a running gateway. Its log must never show a key, and its end must be clean."""
    folder = tmp_path_factory.mktemp("gateway")
    config = folder / "jackfield.yaml"
    (folder / "plugins").mkdir()
    config.write_text(CONFIG.format(client_key=CLIENT_KEY, base_url=provider.base_url, plugins=folder / "plugins"))
    command = [os.environ["JACKFIELD_BIN"], "serve", "--config", str(config), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "UP_KEY": KEY, "NO_COLOR": "1"}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    output, listening = [], threading.Event()

    def read():
        for line in process.stdout:
            output.append(line)
            if "listening on http://" in line:
                listening.set()
        listening.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        listening.wait(PATIENCE)
        url = re.search(r"listening on (http://127\.0\.0\.1:\d+)", "".join(output))
        assert url, "the gateway does not say where it listens:\n" + "".join(output)
        yield url[1]
        process.send_signal(signal.SIGTERM)
        code = process.wait(PATIENCE)
        reader.join(PATIENCE)
        assert code == 0, f"exit code {code}:\n" + "".join(output)
        for key in (KEY, CLIENT_KEY):
            assert key not in "".join(output)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def client(gateway):
    with openai.OpenAI(base_url=f"{gateway}/v1", api_key=CLIENT_KEY, max_retries=0, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def seen(provider):
    """The requests the provider got during this test."""
    provider.requests.clear()
    return provider.requests
