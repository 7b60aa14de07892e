"""Who judges the calls: the rules, and a language model beside them if there is one.

Belongs here: on what verdicts depend. Must not: judging (see `sentiment`, `model_answers`).
"""

from dataclasses import dataclass

from cs_assets.calls.prompt import Prompt
from cs_assets.calls.sentiment import Rules


@dataclass(frozen=True)
class ModelJudge:
    """A model, what it is told, and how many characters of a dialogue it gets to see."""

    model: str
    prompt: Prompt
    max_characters: int


@dataclass(frozen=True)
class Judge:
    """The rules, and the model if one is configured."""

    rules: Rules
    model: ModelJudge | None = None

    @property
    def fingerprint(self) -> str:
        """What the verdicts depend on."""
        if self.model is None:
            return self.rules.fingerprint
        asked = (self.model.model, self.model.prompt.version, str(self.model.max_characters))
        return "-".join((self.rules.fingerprint, *asked))
