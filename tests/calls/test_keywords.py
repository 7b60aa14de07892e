"""Keywords in the customer's words: levels, negation, polite refusal, files that are wrong."""

from pathlib import Path

import pytest

from cs_assets.calls.keywords import DEFAULT, KeywordError, Keywords, risk


@pytest.fixture(scope="module")
def keywords() -> Keywords:
    return Keywords.load()


def said(keywords: Keywords, *utterances: str | None) -> dict[str, str]:
    return {hit.word: hit.level for hit in keywords.hits(utterances)}


@pytest.mark.parametrize(
    ("utterance", "expected"),
    [
        ("我要投诉你们", {"投诉": "high"}),
        ("再打我就打12315", {"12315": "high"}),
        ("１２３１５", {"12315": "high"}),
        ("我找律师起诉你们", {"律师": "high", "起诉": "high"}),
        ("那就取消吧", {"取消": "medium"}),
        ("我要换运营商", {"换运营商": "high"}),
        ("我这个号早就不用了", {"不用了": "high"}),
        ("不得不投诉", {"投诉": "high"}),
        ("怎么还不给我取消", {"取消": "medium"}),
        ("能不能帮我取消", {"取消": "medium"}),
        ("不好意思，我要销户", {"销户": "high"}),
    ],
)
def test_what_is_said_and_meant(
    keywords: Keywords, utterance: str, expected: dict[str, str]
) -> None:
    assert said(keywords, utterance) == expected


@pytest.mark.parametrize(
    "utterance",
    [
        "不投诉",
        "没有要投诉",
        "我没有要投诉你们的意思",
        "不取消",
        "我不想取消套餐",
        "你不要给我取消",
        "我不会去工信部举报的",
        "订单号8812315004",
        "我在律师事务所上班",
        "",
        None,
        "😀👍",
        "你好",
    ],
)
def test_what_is_not_meant(keywords: Keywords, utterance: str | None) -> None:
    assert said(keywords, utterance) == {}


@pytest.mark.parametrize(
    "utterance", ["不用了，谢谢", "不用了", "谢谢，不用了", "暂时不用了谢谢你", "嗯，不用了，再见"]
)
def test_a_polite_refusal_is_at_most_medium(keywords: Keywords, utterance: str) -> None:
    (hit,) = keywords.hits([utterance])
    assert (hit.level, hit.is_refusal) == ("medium", True)


def test_meant_once_outweighs_refused_politely(keywords: Keywords) -> None:
    (hit,) = keywords.hits(["不用了，谢谢", "我这张卡不用了"])
    assert (hit.level, hit.is_refusal) == ("high", False)


def test_risk_is_the_highest_level_of_its_kind(keywords: Keywords) -> None:
    hits = keywords.hits(["我要取消", "我要销户"])
    assert risk(hits, "churn") == "high"
    assert risk(hits, "complaint") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("level: high}", "level: severe}", "complaint[2].level"),
        ("{word: 举报, level: high}", "{word: 投诉, level: high}", "stand twice: 投诉"),
        ("negations:", "negatons:", "negatons: unknown key"),
        (
            "{word: 举报, level: high}",
            "{word: 举报, levle: high}",
            "complaint[2].levle: unknown key",
        ),
        ("churn:", "churn: [", "is not good YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "keywords.yaml"
    path.write_text(DEFAULT.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(KeywordError) as error:
        Keywords.load(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeywordError, match=r"none\.yaml"):
        Keywords.load(tmp_path / "none.yaml")


def test_the_fingerprint_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keywords.yaml"
    path.write_text(DEFAULT.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert Keywords.load(path).fingerprint != Keywords.load().fingerprint
