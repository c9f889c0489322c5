"""The stage for SDK tests: scripted providers, and the real binary in front of them. Standard library only.

`script` says what any provider answers, whatever its API; `kinds` has one provider for each API and lists them in
`KINDS`, from which the gateway's configuration and the tests' tables are made; `gateway` runs the binary. A further
API is one more file beside `openai_api.py` and one more line in `kinds.py`.

`python -m stage COMMAND…` runs a command on the stage, for tests in other languages.
"""
