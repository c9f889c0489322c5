"""The stage for SDK tests: scripted providers, and the real binary in front of them.

`script` says what any provider answers, whatever its API, and what a request says, in no API's words; one file for each
API puts that into its words and checks what comes, as strictly as the provider's own package lets it: a request that the
API would not take is a complaint, whatever the test expects. `kinds` lists the providers in `KINDS`, from which the
gateway's configuration and the tests' tables are made; `gateway` runs the binary. A further API is one more file and one
more name in `kinds.py`. Answers are written without any of the gateway's code; `python/test_stage.py` shows that the
providers' own packages understand them.

`python.sh -m stage COMMAND…` runs a command on the stage, for tests in other languages.
"""
