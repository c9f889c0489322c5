"""The cheapest healthy model answers; when the budget runs low, only those tagged `cheap` may."""

from dataclasses import dataclass

from jackfield import Abstain, Decision, Request, Route, Router, budget, kv, models

LOW = 0.8
"""When more than this share of the project's budget is used, little is left."""


@dataclass
class Settings:
    models: list[str] | None = None
    """The models to choose from; without it, all there are."""


class Frugal(Router):
    """Chooses the cheapest healthy model, and only tagged ones when the budget runs low."""

    config: Settings

    def route(self, request: Request) -> Decision:
        left = budget.remaining("project")
        frugal = left is not None and left.used_ratio > LOW
        names = models.names() if self.config.models is None else self.config.models
        priced = [offer for name in names if (offer := self.offer(name, frugal))]
        if not priced:
            return Abstain(because="no model is cheap and healthy")
        price, name = min(priced)
        number = kv.increment("decided")
        return Route(
            name,
            because=f"request {number}: {name} at ${price:.2f} per million",
            labels={"frugal": "yes" if frugal else "no"},
        )

    def offer(self, name: str, frugal: bool) -> tuple[float, str] | None:
        """A model's price and name, if it may be chosen."""
        info, live = models.info(name), models.live(name)
        if info is None or live is None or info.input_usd_per_mtok is None:
            return None
        if not live.healthy or (frugal and not info.has_tag("cheap")):
            return None
        return info.input_usd_per_mtok, name
