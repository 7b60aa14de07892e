"""Answers of a language model: what one must look like, and reading one strictly.

Belongs here: the form, its JSON schema, the reasons for a refusal. Must not: asking, retrying,
guessing what an answer that breaks a rule may have meant.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from cs_assets.calls.keywords import LEVELS
from cs_assets.calls.plain_text import visible
from cs_assets.calls.sentiment_contracts import SENTIMENTS

Mode = Literal["json_schema", "json_object", "text"]
MAX_LENGTH: Final = 8_000
REASON_LENGTH: Final = 50


class AnswerError(ValueError):
    """An answer breaks a rule; the message is fit to be sent back to the model.

    It names fields and rules and holds nothing that the model wrote.
    """


def _short(reason: str) -> str:
    words = " ".join(visible(reason).split())
    if not words:
        raise PydanticCustomError("empty", "must not be empty")
    return words if len(words) <= REASON_LENGTH else words[: REASON_LENGTH - 1] + "…"


Level = Literal["high", "medium", "low"]
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Answer(BaseModel):
    """What a model says of a dialogue: mood, its score (0 very negative .. 1), risks, why."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    sentiment: Literal["positive", "neutral", "negative"]
    sentiment_score: Score
    complaint_risk: Level
    churn_risk: Level
    reason: Annotated[str, AfterValidator(_short)]

    @model_validator(mode="after")
    def _mood_and_score_agree(self) -> Self:
        if self.sentiment == "positive" and self.sentiment_score < 0.5:
            raise PydanticCustomError("apart", "a positive one is never below 0.5")
        if self.sentiment == "negative" and self.sentiment_score > 0.5:
            raise PydanticCustomError("apart", "a negative one is never above 0.5")
        return self


# the subset that strict structured output knows: no lengths, no bounds
ANSWER_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "sentiment": {"type": "string", "enum": list(SENTIMENTS)},
        "sentiment_score": {"type": "number"},
        "complaint_risk": {"type": "string", "enum": list(reversed(LEVELS))},
        "churn_risk": {"type": "string", "enum": list(reversed(LEVELS))},
        "reason": {"type": "string"},
    },
    "required": list(Answer.model_fields),
    "additionalProperties": False,
}
_FIELDS: Final = ", ".join(Answer.model_fields)
_RULES: Final = {
    "missing": "is missing",
    "string_type": "must be a string",
    "float_type": "must be a number, not text and not true or false",
    "greater_than_equal": "must be a number from 0 to 1",
    "less_than_equal": "must be a number from 0 to 1",
    "finite_number": "must be a number from 0 to 1",
}


def parse_answer(text: str, mode: Mode = "json_schema") -> Answer:
    """Read an answer; raises AnswerError.

    It is one JSON object and nothing else. An endpoint that can only be asked for text may put
    words or a fence around exactly one object: that is accepted in `mode` "text" alone.
    """
    if len(text) > MAX_LENGTH:
        raise AnswerError(f"the answer is longer than {MAX_LENGTH} characters")
    value = _only_object(text) if mode == "text" else _document(text)
    try:
        return Answer.model_validate(value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        raise AnswerError("; ".join(dict.fromkeys(map(_said, problems)))) from None


def _document(text: str) -> object:
    try:
        return _DECODER.decode(text)
    except AnswerError:
        raise
    except (ValueError, RecursionError):
        # ValueError: also a number of more digits than Python reads
        raise AnswerError("the answer is not one valid JSON object") from None


def _only_object(text: str) -> object:
    found = list(_objects(text))
    if len(found) != 1:
        raise AnswerError(f"the answer holds {len(found)} JSON objects; give exactly one")
    return found[0]


def _objects(text: str) -> Iterator[object]:
    start = text.find("{")
    while start >= 0:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except AnswerError:
            raise
        except (ValueError, RecursionError):
            end = start + 1
        else:
            yield value
        start = text.find("{", end)


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for name, value in pairs:
        if name in values:
            raise AnswerError("a field stands twice; give each field once")
        values[name] = value
    return values


def _no_number(_: str) -> NoReturn:
    raise AnswerError("NaN and Infinity are no numbers")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)


def _said(problem: ErrorDetails) -> str:
    kind = problem["type"]
    if kind == "extra_forbidden":
        return f"unknown field; give only {_FIELDS}"
    if not problem["loc"]:
        return (
            f"sentiment and sentiment_score: {problem['msg']}"
            if kind == "apart"
            else "the answer is not one valid JSON object"
        )
    rule = _RULES.get(kind, problem["msg"].removeprefix("Input should be "))
    return f"{problem['loc'][0]}: " + (f"must be {rule}" if kind == "literal_error" else rule)
