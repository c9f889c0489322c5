"""Answers keep a civil tongue: one forbidden word is repaired, more are rejected."""

from dataclasses import dataclass, field

from jackfield import Accept, Reject, Repair, Validator, Verdict


@dataclass
class Settings:
    forbidden: list[str] = field(default_factory=list)


class Polite(Validator):
    """Lets no answer through that holds a forbidden word."""

    config: Settings

    def validate(self, text: str) -> Verdict:
        said = ascii_lower(text)
        found = [word for word in self.config.forbidden if ascii_lower(word) in said]
        if not found:
            return Accept(score=1.0)
        if len(found) == 1:
            return Repair(f"Say it again without the word `{found[0]}`.")
        return Reject(*[f"the answer contains `{word}`" for word in found])


def ascii_lower(text: str) -> str:
    """Only the letters A to Z: what else has two cases is for its readers to fold."""
    return text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
