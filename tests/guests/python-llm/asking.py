"""As ../rust-llm with the SDK for Python: a router that has the prompt rated, and a validator with a judge.

Whatever goes wrong with a question is no failure of the plugin: the router then has no opinion, and the validator
accepts and says so.
"""

from dataclasses import dataclass

from jackfield import Accept, Reject, Router, Validator, Verdict, llm


@dataclass
class Settings:
    """Who is asked, and where a hard prompt goes."""

    judge: str
    hard: str


class Asking(Router, Validator):
    """Asks a model what to do."""

    config: Settings

    def word(self, instruction: str, text: str) -> str:
        """One word of a model about a text."""
        answer = llm.complete(self.config.judge, text, system=instruction, temperature=0, max_output_tokens=16)
        return answer.text.strip().lower()

    def route(self, prompt: str) -> str | None:
        try:
            hard = self.word("Is this hard or easy? One word.", prompt) == "hard"
        except llm.LlmError:
            return None
        return self.config.hard if hard else None

    def validate(self, text: str) -> Verdict:
        try:
            said = self.word("Is this answer fine? yes or no.", text)
        except llm.LlmError as error:
            return Accept(issues=[f"not judged: {error!r}"])
        return Reject("the judge says no") if said == "no" else Accept()
