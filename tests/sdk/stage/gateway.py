"""The real binary in front of scripted providers.

Nothing sleeps: the binary says when it listens, and its end is waited for.
"""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading

from .kinds import KINDS
from .script import IDS, KEY

CLIENT_KEY = "jf-client-8b1f6c0d2e93"
# Far beyond what any wait here takes; a run that passes never gets near it.
PATIENCE = 60

CONFIG = """
server: {{ listen: 127.0.0.1:0 }}
keys: [{{ key: {client_key} }}]
providers:
  sim: {{ kind: simulated, latency: 1ms, chunk_latency: 1ms }}
{providers}
models:
  simulated: {{ provider: sim }}
{models}
orchestrator:
  default_model: openai-ok
  routes:
{routes}
plugins: {{ dir: "{plugins}" }}
"""


class Stage:
    """A gateway's address, and the providers behind it by name."""

    def __init__(self, url, providers):
        self.url = url
        self.providers = providers

    def complaints(self):
        """What providers were sent that their APIs do not take, since this was asked last."""
        found = []
        for name, provider in self.providers.items():
            found += [f"{name}: {complaint}" for complaint in provider.complaints]
            provider.complaints.clear()
        return found


@contextlib.contextmanager
def stage():
    """Runs the gateway of $JACKFIELD_BIN. Its log must never show a key, and its end must be clean."""
    with contextlib.ExitStack() as stack:
        providers = {name: stack.enter_context(kind()) for name, kind in KINDS.items()}
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "plugins").mkdir()
        config = folder / "jackfield.yaml"
        config.write_text(CONFIG.format(
            client_key=CLIENT_KEY,
            plugins=folder / "plugins",
            providers="\n".join(
                f"  {name}: {{ kind: {p.kind}, {p.settings()} }}" for name, p in providers.items()
            ),
            models="\n".join(
                f'  {name}-{id}: {{ provider: {name}, id: "{p.prefix}{id}", retries: 0 }}'
                for name, p in providers.items() for id in IDS
            ),
            routes="\n".join(f"  - {{ task: task-of-{name}, model: {name}-task }}" for name in providers),
        ))
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
            yield Stage(url[1], providers)
            process.send_signal(signal.SIGTERM)
            code = process.wait(PATIENCE)
            reader.join(PATIENCE)
            assert code == 0, f"exit code {code}:\n" + "".join(output)
            for key in (KEY, CLIENT_KEY):
                assert key not in "".join(output)
        finally:
            process.kill()
            process.wait()
