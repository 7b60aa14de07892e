"""Redaction: identifiers go in whatever form they are said, other numbers stay."""

import re
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.redaction import LEAST_RECALL, MOST_FALSE_ALARMS, alarms, missed
from benchmarks.redaction_corpus import dialogues
from cs_assets.calls.identifiers import luhn, shape
from cs_assets.calls.plain_text import plain, visible
from cs_assets.calls.redaction import Turn, redact, redact_dialogue

DIALOGUES = 5_000


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("我的电话是13800138000。", "我的电话是[PHONE]。"),
        ("＋８６　１３８－００１３－８０００", "[PHONE]"),
        ("打0086 138 0013 8000", "打[PHONE]"),
        ("幺三八零零幺三八零零零", "[PHONE]"),
        ("幺三八，嗯，零零幺三，然后八零零零吧", "[PHONE]吧"),
        ("138 零零 幺三 八千吗", "[PHONE]吗"),
        ("138零零幺三8000", "[PHONE]"),
        ("壹叁捌零零壹叁捌零零零", "[PHONE]"),
        ("洞幺三八洞洞幺三八洞洞洞", "[PHONE]"),
        ("幺三八四个零幺二三四", "[PHONE]"),
        ("幺三八，三十六，二十五，四十八，零一", "[PHONE]"),
        ("幺三八零零要三八零林零", "[PHONE]"),
        ("one three eight double zero one three eight triple zero", "[PHONE]"),
        ("1\u200b3\u200b8\u200b0\u200b0\u200b1\u200b3\u200b8\u200b0\u200b0\u200b0", "[PHONE]"),
        ("138OO138OOO", "[PHONE]"),
        ("前三位幺三八，中间四位零零幺三，后四位八零零零", "前三位[PHONE]"),
        ("0571-88886666转8001", "[PHONE]"),
        ("（010）66554433", "[PHONE]"),
        ("四零零，八二三，八八二三", "[PHONE]"),
        ("座机8888 6666", "座机[NUMBER]"),
        ("身份证11010119900101123X", "身份证[ID]"),
        ("身份证110101 19900101 123，艾克斯", "身份证[ID]"),
        ("110101900101123", "[ID]"),
        ("卡号6222 0212 3456 7890 123", "卡号[CARD]"),
        ("4111111111111111", "[CARD]"),
        ("单号8812315004", "单号[NUMBER]"),
        ("护照E12345678", "护照[ID]"),
        ("护照E一二三四五六七八", "护照[ID]"),
        ("车牌浙A·12345", "车牌[ID]"),
        ("运单SF1234567890123", "运单[ID]"),
        ("发到li.si+a@mail.example.com.cn吧", "发到[EMAIL]吧"),
        ("邮箱zhang 三 at qq 点 com", "邮箱[EMAIL]"),
        ("邮箱一三八零零艾特幺六三点康母", "邮箱[EMAIL]"),
        ("z h a n g圈aqq点com", "[EMAIL]"),
    ],
)
def test_identifiers_go(text: str, clean: str) -> None:
    assert redact(text)[0] == clean


@pytest.mark.parametrize(
    "text",
    [
        "一共1280元,打八折1024.5元",
        "一万三千五百块,退二十三块八",
        "1,280,000元",
        "129、199、299都行",
        "3000到5000元",
        "2025年11月24日 10:30:45",
        "二零二五年十一月二十四号",
        "2025-11-24",
        "打了12315,10086,110都没用",
        "九五五八八",
        "98.5%和百分之九十九点九九",
        "一二三四季度",
        "三三两两,一五一十,三心二意,万一,十分",
        "版本号12.3.456",
        "192.168.1.1",
        "1920x1080",
        "尾号8000",
        "验证码482913",
        "七百八十九万六千五百四十三块",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert redact(text) == (text, {})


def test_each_identifier_counts_once() -> None:
    text = "13800138000,或者0571-88886666;a@example.com"
    assert redact(text) == ("[PHONE],或者[PHONE];[EMAIL]", {"PHONE": 2, "EMAIL": 1})


def test_a_number_said_over_turns_goes_with_what_the_robot_repeats() -> None:
    turns = [
        Turn("我电话一三八", "一三八,请继续。"),
        Turn("你等一下啊", None),
        Turn("零零一二", "嗯,零零一二。"),
        Turn("然后三四五六", "您的号码是138,0012,3456,对吗?"),
        Turn("对,129块那个套餐", "好的,一共129元。"),
    ]
    clean, counts = redact_dialogue(turns)
    assert clean == [
        Turn("我电话[PHONE]", "[NUMBER],请继续。"),
        Turn("你等一下啊", None),
        Turn("[PHONE]", "嗯,[PHONE]。"),
        Turn("然后[PHONE]", "您的号码是[PHONE],对吗?"),
        Turn("对,129块那个套餐", "好的,一共129元。"),
    ]
    assert counts["PHONE"] == 3


def test_a_question_for_a_number_makes_its_answer_one() -> None:
    answer = "1288，3456"
    assert redact(answer)[1] == {}
    clean, _ = redact_dialogue([Turn(None, "请问您的户号是多少?"), Turn(answer, None)])
    assert clean[1] == Turn("[NUMBER]", None)


def test_nothing_said_stays_nothing() -> None:
    turns = [Turn(None, ""), Turn("\u200b", None)]
    assert redact_dialogue(turns) == ([Turn(None, ""), Turn("", None)], {})
    assert redact_dialogue([]) == ([], {})


def test_lines_within_a_turn_stay() -> None:
    clean, _ = redact_dialogue(
        [Turn("甲\n13800138000\r\n乙", "丙"), Turn("a@example.com\n丁", "戊")]
    )
    assert clean == [Turn("甲\n[PHONE]\n乙", "丙"), Turn("[EMAIL]\n丁", "戊")]


def test_recall_and_false_alarms_on_the_corpus() -> None:
    cases = list(dialogues(DIALOGUES))
    clean = [redact_dialogue(case.turns)[0] for case in cases]
    planted = sum(len(case.planted) for case in cases)
    innocent = sum(len(case.innocent) for case in cases)
    left = sum(len(missed(case, turns)) for case, turns in zip(cases, clean, strict=True))
    taken = sum(len(alarms(case, turns)) for case, turns in zip(cases, clean, strict=True))
    assert planted > 4_000
    assert innocent > 5_000
    assert 1 - left / planted >= 0.999 > LEAST_RECALL
    assert taken / innocent <= 0.002 < MOST_FALSE_ALARMS
    for turns in clean[:200]:
        assert redact_dialogue(turns) == (turns, {})


def test_the_measure_sees_what_is_left() -> None:
    for case in dialogues(200, seed=1):
        assert missed(case, case.turns) == case.planted
        assert alarms(case, [Turn(None, None)] * len(case.turns)) == case.innocent


PIECES = (
    *("1", "3", "138", "0012", "3456", "+86", "0571", "88886666", "110101199001010012", "12315"),
    *(
        "幺三八",
        "零",
        "8",
        "三个八",
        "四个",
        "二十",
        "一百",
        "千",
        "元",
        "号",
        "个",
        "①",
        "¥",
        "第",
    ),
    *(
        "，",
        "、",
        "-",
        ".",
        "/",
        " ",
        "\n",
        "\u200b",
        "[",
        "]",
        "[PHONE]",
        "嗯",
        "然后",
        "你记一下",
    ),
    *(
        "电话",
        "是",
        "要",
        "转",
        "a",
        "o",
        "O",
        "l",
        "X",
        "叉",
        "one",
        "SN12345",
        "QQ",
        "@",
        "qq",
        "点",
    ),
    *("com", "艾特", "2025-11-24", "10:30", "99.5", "1,000"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text())
def test_redacting_twice_changes_nothing(text: str) -> None:
    clean, _ = redact(text)
    assert redact(clean) == (clean, {})
    assert not re.search("[0-9]{10}", clean)


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        " ",
        "幺，",
        "三个",
        "a@",
        "艾特",
        "a at b",
        "点",
        "嗯1",
        "1,000,",
        "12:",
        "一百",
        "[",
    ],
)
def test_the_work_grows_with_the_text_alone(piece: str) -> None:
    # steps of the interpreter, not seconds: four times the text takes about four times as many
    short, long = (_steps((piece * size)[:size]) for size in (500, 2_000))
    assert long < 6 * short + 1_000


def _steps(text: str) -> int:
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        redact(text)
    finally:
        sys.setprofile(None)
    return steps


def test_a_long_text_of_digits_is_redacted() -> None:
    assert not re.search("[0-9]", redact("1 " * 50_000)[0])
    assert redact("138" + " " * 100_000 + "00138000") == ("[PHONE]", {"PHONE": 1})


def everything() -> Iterator[str]:
    return map(chr, range(sys.maxunicode + 1))


def test_what_cannot_be_seen_is_taken_out() -> None:
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    left = [char for char in everything() if unicodedata.category(char) in hidden]
    assert {visible(char) for char in left} == {"", "\n", " "}
    assert {char for char in left if visible(char) == " "} == {"\t"}


def test_every_digit_becomes_a_plain_one() -> None:
    digits = [char for char in everything() if unicodedata.digit(char, None) is not None]
    assert len(digits) > 700
    read = {char: plain(char) for char in digits}
    wrong = {
        char: text
        for char, text in read.items()
        if str(unicodedata.digit(char)) not in text or not text.isascii()
    }
    # ancient scripts that no phone writes
    assert all(ord(char) > 0x10000 or ord(char) in range(0x1369, 0x19DB) for char in wrong)


@given(st.text())
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    plain(text).encode()


@pytest.mark.parametrize(
    ("groups", "is_loose", "kind"),
    [
        (["138", "0013", "8000"], True, "PHONE"),
        (["013800138000"], False, "PHONE"),
        (["400", "800", "1200"], True, None),
        (["129", "199", "299"], True, None),
        (["110101199013010012"], False, None),
        (["11010119900101123", "X"], True, "ID"),
        (["6222", "0212", "3456", "7890", "123"], False, "CARD"),
        (["3999", "4999", "5999", "6999"], True, None),
    ],
)
def test_shapes(groups: list[str], is_loose: bool, kind: str | None) -> None:
    assert shape(groups, is_loose) == kind


def test_luhn() -> None:
    assert luhn("4111111111111111") == 0
    assert luhn("4111111111111112") != 0
