"""The cheapest healthy model answers; when the budget runs low, only those tagged `cheap` may."""

from dataclasses import dataclass

from jackfield import Request, Route, Router, budget, kv, models

LOW = 0.2
"""Less than this share of the project's budget is little."""


@dataclass
class Settings:
    models: list[str] | None = None
    """The models to choose from; without it, all there are."""


class Frugal(Router):
    """Chooses the cheapest model that is healthy, and only tagged ones when the budget runs low."""

    config: Settings

    def route(self, request: Request) -> Route | None:
        left = budget.remaining("project")
        frugal = left is not None and 1 - left.used_ratio < LOW
        priced = [
            (model.input_usd_per_mtok, name)
            for name in self.config.models or models.names()
            if (model := models.info(name)) and model.input_usd_per_mtok is not None
            if (model.has_tag("cheap") or not frugal) and models.live(name).healthy
        ]
        if not priced:
            return None
        price, name = min(priced)
        number = kv.increment("decided")
        return Route(
            name,
            because=f"request {number}: {name} at ${price:g} per million",
            labels={"frugal": "yes" if frugal else "no"},
        )
