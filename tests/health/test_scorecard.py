"""Scorecard files: what may stand in them, what is refused, and in which words."""

from pathlib import Path

import pytest

from cs_assets.health.scorecard import BUILT_IN, Scorecard, load_scorecard, load_scorecards
from cs_assets.yaml_files import YamlFileError
from tests.health.score_cases import SAAS, SERVICE, card_of, customer, numbered, scored, written

SAAS_TEXT = (BUILT_IN / "saas_8.yaml").read_text("utf-8")
THIRD = """
name: contact_2
title: {zh: 联系, en: Contact}
scale: 100
dimensions:
  contact:
    title: {zh: 联系, en: Contact}
    pieces:
      urgent:
        weight: 0.5
        ratio: {of: urgent_tickets, to: tickets}
        points: [[0, 1], [0.1, 0.8], [0.5, 0]]
        cases:
          - {when: {tickets: 0, open_tickets: 0}, score: 1}
          - {when: {tickets: 0}, score: unknown}
      sla_breaches: {weight: 0.5, points: [[0, 1], [2, 0.5], [3, 0]]}
  money:
    title: {zh: 金额, en: Money}
    pieces:
      size: {weight: 1, measure: mrr, benchmark: income, points: [[0.5, 0], [1.5, 1]]}
weights:
  enterprise: {contact: 0.25, money: 0.75}
  mid_market: {contact: 0.5, money: 0.5}
  startup: {contact: 1, money: 0}
benchmarks:
  income: {all: 1000}
grades:
  - {name: fine, title: {zh: 好, en: Fine}, from: 0.5, to: 1, risk_level: low}
  - {name: poor, title: {zh: 差, en: Poor}, from: 0, to: 0.5, risk_level: critical}
"""


def folder_of(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    return tmp_path


def test_a_third_scorecard_is_yaml_alone(tmp_path: Path) -> None:
    cards = load_scorecards(folder_of(tmp_path, mine=THIRD))
    assert [card.name for card in cards] == ["saas_8", "service_4", "contact_2"]
    third = cards[-1]
    assert third.measures == ("tickets", "urgent_tickets", "open_tickets", "mrr", "sla_breaches")
    rows = [
        # 0.3 of tickets are urgent: halfway from 0.8 to 0; 2 breaches; mrr in the middle
        customer(1, "enterprise", tickets=10, urgent_tickets=3, sla_breaches=2, mrr=1000,
                 open_tickets=0),
        customer(1, "mid_market", tickets=20, urgent_tickets=1, sla_breaches=0, mrr=1500,
                 open_tickets=0),
        customer(1, "startup", tickets=0, urgent_tickets=0, open_tickets=0, sla_breaches=3),
        customer(1, "startup", tickets=0, urgent_tickets=0, open_tickets=2, sla_breaches=3),
    ]  # fmt: skip
    found = scored(third, *numbered(rows))
    assert [row["contact_score"] for row in found] == [0.45, 0.95, 0.5, 0]
    assert [row["money_score"] for row in found] == [0.5, 1, None, None]
    assert [row["overall"] for row in found] == [0.4875, 0.975, 0.5, 0]
    assert [row["grade"] for row in found] == ["poor", "fine", "fine", "poor"]
    assert [row["coverage"] for row in found] == [1, 1, 1, 0.5]


def test_the_same_name_replaces(tmp_path: Path) -> None:
    mine = SAAS_TEXT.replace("from: 0.80, to: 1", "from: 0.90, to: 1").replace(
        "to: 0.80", "to: 0.90"
    )
    saas, service = load_scorecards(folder_of(tmp_path, other=mine))
    assert (saas.name, saas.grades[0].from_) == ("saas_8", 0.9)
    assert service == SERVICE
    assert saas.fingerprint != SAAS.fingerprint


def test_fingerprints_are_of_what_moves_figures(tmp_path: Path) -> None:
    texts = {
        "layout": "# mine\n" + SAAS_TEXT.replace("0.80", "0.8"),
        "title": SAAS_TEXT.replace("Usage", "Use").replace("优秀", "很好"),
        "curve": SAAS_TEXT.replace("[20, 1]", "[21, 1]"),
        "benchmark": SAAS_TEXT.replace("startup: 1000}", "startup: 1001}"),
        "risk": SAAS_TEXT.replace("risk_level: medium", "risk_level: low"),
    }  # fmt: skip
    folder_of(tmp_path, **texts)
    found = {name: load_scorecard(tmp_path / f"{name}.yaml").fingerprint for name in texts}
    assert found["layout"] == found["title"] == SAAS.fingerprint
    assert len({*found.values()}) == 4


def test_built_in_benchmarks_of_contracts_are_twelve_months() -> None:
    monthly, contract = SAAS.benchmarks["mrr"], SAAS.benchmarks["contract_value"]
    assert monthly == {"enterprise": 20_000, "mid_market": 5_000, "startup": 1_000}
    assert contract == {name: 12 * value for name, value in monthly.items()}


def test_weights_sum_to_1_within_a_billionth() -> None:
    weights = written("service_4")["weights"]["all"]
    card_of("service_4", weights={"all": {**weights, "contract": 0.2 + 5e-10}})
    with pytest.raises(ValueError, match=r"weights\.all: they sum to 1\.000000002, not to 1"):
        card_of("service_4", weights={"all": {**weights, "contract": 0.2 + 2e-9}})


LOGIN = "login_days: {weight: 0.6, points: [[0, 0], [20, 1]]}"
PAYS = "values: {current: 1, late: 0.5, overdue: 0.2, suspended: 0}"
RATIO = "ratio: {of: renewals, to: [renewals, losses]}"
CASES = "cases: [{when: {tickets: 0}, score: 1}]"
PIECE = "dimensions.usage.pieces.login_days"
SUPPORT = "dimensions.support.pieces.resolution_hours"
PAYMENT = "dimensions.payment.pieces"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scale: 1\n", "scale: 10\n", "scale: must be 1 or 100 (it is 10)"),
        ("scale: 1\n", "", "scale: is missing; add it"),
        ("scale: 1\n", "scale: 1\nscale: 1\n", "'scale' stands in line"),
        ("scale: 1\n", "scale: 1\nskale: 1\n", "skale: unknown key; remove it or correct"),
        ("name: saas_8", "name: SaaS 8", "name: 'SaaS 8' is no name; use small letters, digits"),
        ("en: Usage}", "en: ''}", "dimensions.usage.title.en: is empty; write it"),
        (", en: Usage}", "}", "dimensions.usage.title.en: is missing; add it"),
        (LOGIN, LOGIN.replace("0.6", "0.7"),
         "dimensions.usage: the weights of its pieces sum to 1.1, not to 1"),
        (LOGIN, LOGIN.replace("0.6", "'0.6'"), f"{PIECE}.weight: must be a number (it is '0.6')"),
        (LOGIN, LOGIN.replace("0.6", "0"), f"{PIECE}.weight: must be greater than 0 (it is 0)"),
        (LOGIN, LOGIN.replace("0.6", ".nan"), f"{PIECE}.weight: must be a finite number"),
        (LOGIN, LOGIN.replace("0.6", ""), f"{PIECE}.weight: must be a number (it is empty)"),
        (LOGIN, LOGIN.replace("login_days", "logins"),
         "dimensions.usage.pieces.logins.measure: there is no measure logins; measures are login_"),
        (LOGIN, LOGIN.replace("points", "point"), f"{PIECE}.point: unknown key"),
        (LOGIN, "login_days: {weight: 0.6}", f"{PIECE}: give a curve: points for a number"),
        (LOGIN, LOGIN.replace("[20, 1]", "[20, 1.5]"),
         f"{PIECE}.points[2][2]: must be less than or equal to 1 (it is 1.5)"),
        (LOGIN, LOGIN.replace("[20, 1]", "[0, 1]"),
         f"{PIECE}: points: 0 comes after 0; the first numbers must rise"),
        (LOGIN, LOGIN.replace("[20, 1]", "[-1, 1]"), f"{PIECE}: points: -1 comes after 0;"),
        (LOGIN, LOGIN.replace(", [20, 1]", ""), f"{PIECE}: points: give two or more"),
        (LOGIN, LOGIN.replace("[20, 1]", "[20, 1, 2]"),
         f"{PIECE}.points[2]: give two numbers, [input, score], not [20, 1, 2]"),
        (LOGIN, LOGIN.replace("[20, 1]", "[x, 1]"), f"{PIECE}.points[2][1]: must be a number"),
        (LOGIN, "login_days: 0.6", f"{PIECE}: must be keys with values"),
        (LOGIN, "login_days: {weight: 0.6, values: {a: 1}}",
         "dimensions.usage: piece login_days: login_days is a number; give points"),
        (LOGIN, LOGIN.replace("0.6,", "0.6, benchmark: logins,"),
         f"{PIECE}: there is no benchmark logins; add it below benchmarks"),
        (PAYS, PAYS.replace(", suspended: 0", ", closed: 0"),
         "values of payment_status: add suspended, remove closed"),
        (PAYS, "points: [[0, 0], [1, 1]]", "piece payment_status: payment_status is a word; give"),
        (PAYS, PAYS.replace("0.5", "2"), f"{PAYMENT}.payment_status.values.late: must be less"),
        (PAYS, PAYS.replace("0.5", "half"),
         "values.late: give a number from 0 to 1, or the word unknown, not 'half'"),
        (RATIO, f"measure: mrr, {RATIO}", "is not good YAML"),
        (RATIO, f"{RATIO}\n        measure: mrr",
         f"{PAYMENT}.renewal_record: give measure or ratio, not both"),
        (RATIO, RATIO.replace("losses", "churns"),
         f"{PAYMENT}.renewal_record.ratio.to[2]: there is no measure churns"),
        (RATIO, RATIO.replace("[renewals, losses]", "[]"),
         f"{PAYMENT}.renewal_record.ratio.to: has too few entries; add some"),
        (RATIO, RATIO.replace("losses", "payment_status"), "payment_status is a word; give values"),
        (CASES, CASES.replace("tickets", "calls"), f"{SUPPORT}.cases[1].when.calls: there is no"),
        (CASES, CASES.replace("tickets: 0", "tickets: none"),
         f"{SUPPORT}.cases[1]: tickets is a number, not the word 'none'"),
        (CASES, CASES.replace("tickets: 0", "tickets: [0]"),
         f"{SUPPORT}.cases[1].when.tickets: give one number or one word, not [0]"),
        (CASES, CASES.replace("tickets: 0", "payment_status: paid"),
         "payment_status is never 'paid'; give one of current, late, overdue, suspended"),
        (CASES, CASES.replace("score: 1", "score:"), "give a number from 0 to 1, or the word"),
        (CASES, CASES.replace("{tickets: 0}", "{}"),
         f"{SUPPORT}.cases[1].when: has too few entries; add some"),
        ("  startup:\n    usage: 0.25", "  startup:\n    usage: 0.2",
         "weights.startup: they sum to 0.95, not to 1"),
        ("  startup:\n    usage: 0.25", "  startup:\n    use: 0.25",
         "weights.startup: one for each dimension (0: does not count): add usage, remove use"),
        ("  startup:\n    usage", "  small:\n    usage",
         "weights: one entry for each customer type, or all alone: add startup, remove small"),
        ("usage: 0.15", "usage: -0.15", "weights.enterprise.usage: must be greater than or equal"),
        ("startup: 1000}", "startup: 0}", "benchmarks.mrr.startup: must be greater than 0"),
        (", startup: 1000}", "}", "benchmarks.mrr: one entry for each customer type, or all alone:"
         " add startup"),
        ("from: 0.60, to: 0.80", "from: 0.60, to: 0.75",
         "grades: between good and excellent: nothing covers 0.75 to 0.8"),
        ("from: 0.60, to: 0.80", "from: 0.60, to: 0.85",
         "grades: between good and excellent: both cover 0.8 to 0.85"),
        ("from: 0.60, to: 0.80", "from: 0.80, to: 0.60",
         "grades: good begins at 0.8 and ends at 0.6; swap them"),
        ("from: 0, to: 0.30", "from: 0.1, to: 0.30",
         "grades: between the lowest score and critical: nothing covers 0 to 0.1"),
        ("from: 0.80, to: 1,", "from: 0.80, to: 0.9,",
         "grades: between excellent and the highest score: nothing covers 0.9 to 1"),
        ("from: 0.80, to: 1,", "from: 0.80, to: 2,", "grades[1].to: must be less than or equal"),
        ("name: good", "name: excellent", "grades: each name once, not twice: excellent"),
        ("risk_level: low", "risk_level: none", "grades[1].risk_level: must be 'low', 'medium',"),
        ("risk_level: low", "risk_level: critical",
         "grades: good is a lower score than excellent but has less risk"),
        ("weights:\n", "waits:\n", "weights: is missing; add it"),
        ("dimensions:\n  usage:", "dimensions:\n  Usage!:",
         "dimensions.Usage!: 'Usage!' is no name;"),
        ("title: {zh: 八维健康度", "title: [zh: 八维健康度", "is not good YAML"),
    ],
)  # fmt: skip
def test_mistakes_are_refused_in_plain_words(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in SAAS_TEXT
    path = folder_of(tmp_path, mine=SAAS_TEXT.replace(old, new, 1)) / "mine.yaml"
    with pytest.raises(YamlFileError) as refused:
        load_scorecards(tmp_path)
    said = str(refused.value)
    assert said.startswith(f"{path}: ")
    assert message in said
    for jargon in (
        "Input should",
        "pydantic",
        "dict",
        "[key]",
        "tuple",
        "Tuple",
        "pattern",
        "None",
    ):
        assert jargon not in said


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = SAAS_TEXT.replace("scale: 1\n", "").replace("zh: 使用情况, ", "")
    with pytest.raises(YamlFileError) as refused:
        load_scorecards(folder_of(tmp_path, mine=text))
    assert [line.split(": ", 1)[1] for line in str(refused.value).splitlines()] == [
        "scale: is missing; add it",
        "dimensions.usage.title.zh: is missing; add it",
    ]


def test_what_only_follows_from_a_mistake_is_not_told(tmp_path: Path) -> None:
    text = THIRD
    for word in ("zh: 好", "zh: 差"):
        assert word in text
        text = text.replace(f"{word}, ", "")
    with pytest.raises(YamlFileError) as refused:
        load_scorecards(folder_of(tmp_path, mine=text))
    assert "title.zh: is missing" in str(refused.value)
    assert "too few entries" not in str(refused.value)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    folder_of(tmp_path, a=THIRD, b=THIRD)
    with pytest.raises(YamlFileError, match=r"b\.yaml: name: a\.yaml is named contact_2 too; give"):
        load_scorecards(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(YamlFileError, match="none: is no folder; name one that holds scorecards"):
        load_scorecards(tmp_path / "none")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file: must be keys with values"),
        (b"- 1", "file: must be keys with values"),
        ("title: 八".encode("gb18030"), "is not UTF-8; save it as UTF-8"),
    ],
)
def test_files_that_are_no_scorecards(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(YamlFileError, match=message):
        load_scorecard(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(YamlFileError, match=r"none\.yaml: cannot be read: No such file"):
        load_scorecard(tmp_path / "none.yaml")


def test_scorecards_are_fixed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        SAAS.scale = 100  # type: ignore[misc]
    assert isinstance(SAAS, Scorecard)
