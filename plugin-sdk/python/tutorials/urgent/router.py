"""Urgent prompts go to a fast model: the rule of the seed, with settings."""

from dataclasses import dataclass

from jackfield import Request, Router


@dataclass
class Settings:
    keyword: str = "urgent"
    model: str = "fast-model"
    otherwise: str = "smart-model"


class Urgent(Router):
    """Sends prompts with a keyword to a fast model."""

    config: Settings

    def route(self, request: Request) -> str:
        if request.contains(self.config.keyword):
            return self.config.model
        return self.config.otherwise
