"""A model's answers: what is read, what is refused and what the model is told of it."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cs_assets.calls.answers import (
    ANSWER_SCHEMA,
    MAX_LENGTH,
    REASON_LENGTH,
    Answer,
    AnswerError,
    parse_answer,
)
from cs_assets.calls.plain_text import visible

GOOD = {
    "sentiment": "negative",
    "sentiment_score": 0.2,
    "complaint_risk": "high",
    "churn_risk": "low",
    "reason": "客户要投诉",
}
GOOD_TEXT = json.dumps(GOOD, ensure_ascii=False)


def text(**changes: Any) -> str:
    return json.dumps(GOOD | changes, ensure_ascii=False)


def refusal(answer: str, mode: Any = "json_schema") -> str:
    with pytest.raises(AnswerError) as error:
        parse_answer(answer, mode)
    return str(error.value)


def test_a_good_answer_is_read() -> None:
    assert parse_answer(GOOD_TEXT).model_dump() == GOOD


@pytest.mark.parametrize(("score", "sentiment"), [(0, "negative"), (1, "positive")])
def test_a_whole_number_is_a_score(score: int, sentiment: str) -> None:
    assert parse_answer(text(sentiment_score=score, sentiment=sentiment)).sentiment_score == score


@pytest.mark.parametrize("score", ["0.2", True, None, [0.2], -0.01, 1.7, 10**400])
def test_what_is_no_score(score: object) -> None:
    assert refusal(text(sentiment_score=score)).startswith("sentiment_score: must be a number")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5_000])
def test_a_number_is_finite(number: str) -> None:
    refusal(GOOD_TEXT.replace("0.2", number))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sentiment": "angry"}, "sentiment: must be 'positive', 'neutral' or 'negative'"),
        ({"sentiment": "Negative"}, "sentiment: must be 'positive', 'neutral' or 'negative'"),
        ({"complaint_risk": "none"}, "complaint_risk: must be 'high', 'medium' or 'low'"),
        ({"churn_risk": 1}, "churn_risk: must be 'high', 'medium' or 'low'"),
        ({"reason": " \u200b\n"}, "reason: must not be empty"),
        ({"reason": None}, "reason: must be a string"),
        ({"电话": "x"}, f"unknown field; give only {', '.join(GOOD)}"),
        (
            {"sentiment": "positive", "sentiment_score": 0.49},
            "sentiment and sentiment_score: a positive one is never below 0.5",
        ),
        (
            {"sentiment_score": 0.51},
            "sentiment and sentiment_score: a negative one is never above 0.5",
        ),
    ],
)
def test_a_broken_rule_is_named(changes: dict[str, Any], message: str) -> None:
    assert refusal(text(**changes)) == message


def test_every_broken_rule_is_named_once() -> None:
    broken = GOOD | {"sentiment": "x", "a": 1, "b": 2}
    del broken["reason"]
    said = refusal(json.dumps(broken)).split("; ")
    assert [rule.split(":")[0] for rule in said] == [
        "sentiment",
        "reason",
        "unknown field",
        "give only sentiment, sentiment_score, complaint_risk, churn_risk, reason",
    ]


def test_a_refusal_repeats_nothing_of_the_answer() -> None:
    secret = "机密"
    answers = [
        text(**{"sentiment": secret, secret: secret, "reason": [secret], "churn_risk": secret}),
        f'{{"{secret}": 1, "{secret}": 2}}',
        secret,
        f'{{"a": {secret}}}',
    ]
    assert not any(secret in refusal(answer, mode) for answer in answers for mode in ("text", ""))


def test_a_field_stands_once() -> None:
    twice = GOOD_TEXT[:-1] + ', "churn_risk": "high"}'
    assert refusal(twice) == "a field stands twice; give each field once"


@pytest.mark.parametrize(
    "answer",
    [
        *("", "null", "[]", "5", '"x"', "<html>", "\ufeff{}", GOOD_TEXT[:-1], GOOD_TEXT * 2),
        *("[" * 5_000, '{"a":' * 1_500),
    ],
)
def test_anything_else_is_not_an_answer(answer: str) -> None:
    assert refusal(answer) == "the answer is not one valid JSON object"


def test_an_endless_answer_is_not_read() -> None:
    assert "longer than" in refusal(" " * MAX_LENGTH + "{}", "text")


@pytest.mark.parametrize(
    "around", ["```json\n{}\n```", "好的，结果如下：\n{}\n以上。", "用 {{sentiment}} 格式：{}"]
)
def test_words_around_the_object_pass_in_text_mode_alone(around: str) -> None:
    answer = around.format(GOOD_TEXT)
    assert parse_answer(answer, "text").model_dump() == GOOD
    assert refusal(answer, "json_object") == "the answer is not one valid JSON object"


@pytest.mark.parametrize(("answer", "found"), [(GOOD_TEXT * 2, 2), ("没有", 0), ("{}{}{}", 3)])
def test_text_holds_exactly_one_object(answer: str, found: int) -> None:
    message = f"the answer holds {found} JSON objects; give exactly one"
    assert refusal(answer, "text") == message


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("  好 ", "好"),
        ("a\r\nb\tc\x00d", "a b cd"),
        ("隐\u200b藏\U000e0041\ud800", "隐藏"),
        ("字" * 50, "字" * 50),
        ("字" * 51, "字" * 49 + "…"),
    ],
)
def test_a_reason_is_one_short_visible_line(reason: str, kept: str) -> None:
    assert parse_answer(json.dumps(GOOD | {"reason": reason})).reason == kept


def test_the_schema_is_that_of_the_answer() -> None:
    described = Answer.model_json_schema()
    assert ANSWER_SCHEMA["required"] == described["required"] == list(ANSWER_SCHEMA["properties"])
    for name, property_ in ANSWER_SCHEMA["properties"].items():
        assert property_["type"] == described["properties"][name]["type"]
        assert set(property_.get("enum", ())) == set(described["properties"][name].get("enum", ()))
        assert set(property_) <= {"type", "enum"}
    assert ANSWER_SCHEMA["additionalProperties"] is False


@given(
    st.one_of(
        st.text(),
        st.text(alphabet='{}[]":,0129.eE-+ntfalsru \\'),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(GOOD)), inner),
            max_leaves=8,
        ).map(json.dumps),
    ),
    st.sampled_from(["json_schema", "json_object", "text"]),
)
def test_no_text_breaks_the_reader(answer: str, mode: Any) -> None:
    with suppress(AnswerError):
        parse_answer(answer, mode)


seen = st.text(st.characters(categories=["L", "N", "P", "S"])).filter(visible)


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    sentiment = draw(st.sampled_from(["positive", "neutral", "negative"]))
    low, high = {"positive": (0.5, 1.0), "neutral": (0.0, 1.0), "negative": (0.0, 0.5)}[sentiment]
    level = st.sampled_from(["high", "medium", "low"])
    return {
        "sentiment": sentiment,
        "sentiment_score": draw(st.floats(low, high)),
        "complaint_risk": draw(level),
        "churn_risk": draw(level),
        "reason": draw(seen),
    }


@given(answers())
def test_a_valid_answer_round_trips(values: dict[str, Any]) -> None:
    answer = parse_answer(json.dumps(values))
    assert parse_answer(answer.model_dump_json()) == answer
    assert answer.model_dump(exclude={"reason"}) == {
        name: value for name, value in values.items() if name != "reason"
    }
    assert 0 < len(answer.reason) <= REASON_LENGTH
