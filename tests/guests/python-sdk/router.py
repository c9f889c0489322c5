"""As ../python with the SDK: it decides and refuses as plugins/urgent-router does, word for word, because one table of
tests holds for all languages. Requests that name a task of `tour` get that instead."""

from dataclasses import dataclass

from jackfield import Abstain, Decision, Request, Route, Router

from tour import TOUR


@dataclass
class Settings:
    """Every key may be left out."""

    keyword: str = "urgent"
    model: str = "fast-model"
    otherwise: str | None = None


class Urgent(Router):
    """Sends prompts with a keyword to a fast model"""

    config: Settings

    def route(self, request: Request) -> Decision:
        branch = TOUR.get(request.task)
        if branch is not None:
            return branch(request)
        keyword = self.config.keyword
        if request.contains(keyword):
            return Route(self.config.model, because=f"the prompt contains `{keyword}`")
        why = f"the prompt does not contain `{keyword}`"
        otherwise = self.config.otherwise
        return Abstain(because=why) if otherwise is None else Route(otherwise, because=why)
