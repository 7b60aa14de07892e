"""The sentiment lexicon: moods, negation, silence where nothing is said, files that are wrong."""

import csv
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cs_assets.calls.lexicon import MODIFIERS, TERMS, Lexicon, LexiconError, LexiconResult

LEXICON = Lexicon.load()
VOCABULARY = Path(__file__).parents[2] / "examples" / "sentiment_lexicon" / "vocabulary.yaml"
SMALL_TERMS = "term,weight,source\n满意,10,hand\n垃圾,-12,hand\n"


def score(text: str) -> float:
    result = LEXICON.judge(text)
    assert result is not None, text
    return result.score


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    path = tmp_path / "terms.csv"
    path.write_text(SMALL_TERMS, encoding="utf-8")
    return path


@pytest.fixture
def modifiers(tmp_path: Path) -> Path:
    path = tmp_path / "modifiers.yaml"
    path.write_text(MODIFIERS.read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "不错",
        "师傅很热情,服务不错",
        "处理得很快，我很满意",
        "你们态度挺好的",
        "那太好了",
        "用着还不错，性价比高",
        "服务好，价格也不贵，没什么不满意的",
        "這次服務很好",
    ],
)
def test_positive(text: str) -> None:
    assert score(text) >= 0.6


@pytest.mark.parametrize(
    "text",
    [
        "不满意",
        "我对你们非常不满意",
        "不是很满意",
        "不太满意吧",
        "没有觉得满意",
        "态度差",
        "别打了，烦死了",
        "这不是骗人吗",
        "这不是骗人吗？",
        "信号这么差，还好意思让我升级？",
        "太慢了",
        "你们就是垃圾",
        "不\u200b满意",
        "ｌａｊｉ垃圾！！",
    ],
)
def test_negative(text: str) -> None:
    assert score(text) <= 0.4


@pytest.mark.parametrize(
    "text", ["没有不满意", "并不差", "不烦", "没什么不好", "我不投诉", "不是不好"]
)
def test_a_negated_complaint_is_not_negative(text: str) -> None:
    assert score(text) > 0.5


@pytest.mark.parametrize("text", ["没问题", "还行吧", "非常感谢", "有点贵"])
def test_a_weak_term_alone_is_neutral(text: str) -> None:
    assert 0.4 < score(text) < 0.6


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   \n\t",
        "😀👍🏽",
        "13800138000",
        "，。！？",
        "\x00\x07\u202e",
        "喂，你好",
        "好的好的，谢谢，再见",
        "嗯",
        "辛苦了，麻烦您了，不客气",
        "不用了，谢谢",
        "我现在不方便接电话",
        "服务好吗？",
        "你们的质量好不好",
        "续费要多少钱",
        "特别的套餐有没有",
        "差不多五分钟",
        "推荐一个最好评分高的",
        "hello world",
    ],
)
def test_nothing_said_is_not_analysed(text: str | None) -> None:
    assert LEXICON.judge(text) is None


def test_terms_that_decided_come_strongest_first(terms: Path) -> None:
    lexicon = Lexicon.load(terms)
    assert lexicon.judge("不满意，真垃圾") == LexiconResult(0.0509, ("垃圾", "不+满意"))


def test_a_negation_ends_with_its_clause_and_its_reach(terms: Path) -> None:
    lexicon = Lexicon.load(terms)
    for text in ("不，满意", "不 满意", "不但是满意", "不一二三四五满意"):
        assert lexicon.judge(text) == LexiconResult(0.7773, ("满意",)), text


def test_degree_words_scale(terms: Path) -> None:
    lexicon = Lexicon.load(terms)
    scores = [lexicon.judge(text) for text in ("稍微满意", "满意", "很满意", "太满意")]
    assert [result.score for result in scores if result] == [0.6792, 0.7773, 0.8176, 0.852]


def test_a_term_said_again_counts_once() -> None:
    assert LEXICON.judge("垃圾垃圾垃圾") == LEXICON.judge("垃圾")


def test_a_whole_call_is_weighed() -> None:
    mixed = LEXICON.judge("师傅很热情\n价格合理\n就是太慢了")
    assert mixed is not None
    assert mixed.terms == ("很热情", "太慢", "价格合理")
    assert 0.5 < mixed.score < score("师傅很热情")


@given(st.text())
def test_any_text_is_judged_within_bounds(text: str) -> None:
    result = LEXICON.judge(text)
    assert result is None or (0 <= result.score <= 1 and result.terms)


def test_a_very_long_text_is_judged() -> None:
    text = "不满意" * 100_000 + "不" * 100_000 + "太" * 100_000
    assert LEXICON.judge(text) == LEXICON.judge("不满意")
    everything = LEXICON.judge("，".join(LEXICON.terms))
    assert everything is not None
    assert len(everything.terms) == 8


def test_the_fingerprint_follows_both_files(terms: Path, modifiers: Path) -> None:
    packaged = Lexicon.load()
    assert packaged.fingerprint == LEXICON.fingerprint
    assert Lexicon.load(modifiers=modifiers).fingerprint == packaged.fingerprint
    own_terms = Lexicon.load(terms).fingerprint
    modifiers.write_text(modifiers.read_text(encoding="utf-8") + "# own\n", encoding="utf-8")
    own_both = Lexicon.load(terms, modifiers).fingerprint
    assert len({packaged.fingerprint, own_terms, own_both}) == 3


def test_the_packaged_terms_are_those_of_the_vocabulary() -> None:
    groups = yaml.safe_load(VOCABULARY.read_text(encoding="utf-8")).values()
    priors = {term: group["prior"] for group in groups for term in group["words"]}
    with TERMS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["source"] for row in rows} == {"corpus", "hand"}
    assert {row["term"] for row in rows} <= priors.keys()
    assert all((priors[row["term"]] > 0) == (int(row["weight"]) > 0) for row in rows)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("好,1.5,hand", "row 4: column weight: '1.5'; write a whole number"),
        ("好,,hand", "row 4: column weight"),
        ("好,0,hand", "row 4: column weight"),
        ("好,101,hand", "row 4: column weight"),
        ("好,５,hand", "row 4: column weight"),
        ("满意,3,hand", "row 4: column term: '满意' stands twice; keep one row"),
        ("不过,3,hand", r"row 4: column term: '不过' is a modifier \(clauses.words\) too"),
        ("你好,3,hand", r"row 4: column term: '你好' is a modifier \(neutral.formulas\) too"),
        (",3,hand", "row 4: column term: empty"),
        ("很 好,3,hand", "row 4: column term: '很 好' could never match; write '很好'"),
        ("ＯＫ,3,hand", "row 4: column term: 'ＯＫ' could never match; write 'ok'"),
        ("好,3", "row 4: 2 values; give 3: term,weight,source"),
        ("好,3,hand,x", "row 4: 4 values"),
    ],
)
def test_a_bad_row_is_named(terms: Path, row: str, message: str) -> None:
    terms.write_text(SMALL_TERMS + row + "\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=message):
        Lexicon.load(terms)


def test_every_bad_row_is_named_at_once(terms: Path) -> None:
    terms.write_text(SMALL_TERMS + "好,x,hand\n坏,y,hand\n", encoding="utf-8")
    with pytest.raises(LexiconError, match=r"row 4: .*\n.*row 5: "):
        Lexicon.load(terms)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "row 1: columns are None; write term,weight,source"),
        (b"term,weight\n", "row 1: columns are"),
        (b"term,weight,source\n", "no terms; add at least one row"),
        ("term,weight,source\n好,3,hand\n".encode("gb18030"), "not UTF-8; save it as UTF-8"),
        (b"term,weight,source\na\x00b,3,hand\n", "row 2: "),
    ],
)
def test_a_bad_terms_file_is_named(terms: Path, content: bytes, message: str) -> None:
    terms.write_bytes(content)
    with pytest.raises(LexiconError, match=message):
        Lexicon.load(terms)


def test_a_terms_file_may_come_from_a_spreadsheet(terms: Path) -> None:
    text = SMALL_TERMS.replace("\n", "\r\n") + "\r\n"
    terms.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Lexicon.load(terms).terms == {"满意": 10, "垃圾": -12}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LexiconError, match=r"none\.csv: cannot be read"):
        Lexicon.load(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scale: 8", "scale: 8\nscales: 9", "scales: unknown key; remove it"),
        ("  reach: 4", "  reach: 4\n  rech: 4", "negation.rech: unknown key"),
        ("scale: 8", "", "scale: is missing; add it as in the packaged lexicon_zh.yaml"),
        ("scale: 8", "scale: 0", "scale: "),
        ("scale: 8", "scale: .inf", "scale: "),
        ("  reach: 4", "  reach: many", "negation.reach: "),
        ("    很: 1.2", "    很: -1", "degrees.words.很: "),
        ("[你好,", "[12,", r"neutral.formulas\[1\]: must be text; put it in quotes"),
        ("[但是,", "[很, 但是,", "clauses.words: '很' stands in degrees.words too; keep one"),
        ("[但是,", "[' 但是',", "clauses.words: write ' 但是' as '但是'"),
        ("rhetorical: [不是,", "rhetorical: [难道,", "negation: rhetorical holds 难道"),
        ("scale: 8", "scale: [", "is not good YAML"),
    ],
)
def test_a_bad_modifiers_file_is_named(modifiers: Path, old: str, new: str, message: str) -> None:
    text = modifiers.read_text(encoding="utf-8").replace("[\n    ", "[")
    assert old in text
    modifiers.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(LexiconError, match=message):
        Lexicon.load(modifiers=modifiers)
