"""Replays: the scorecard in use gives what was published, another one differs as it should."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cs_apps.cli import app
from cs_apps.model_texts import Locale
from cs_apps.replay_figures import Replay
from cs_apps.replay_report import ReplayReport
from cs_apps.replay_texts import TEXTS
from cs_apps.replays_kept import kept, remove
from cs_assets.calendar import PERIOD_GRAINS, Grain
from cs_assets.contracts import Contract
from cs_assets.health.alert_contracts import RISK_ALERT
from cs_assets.health.alert_rules import DEFAULT as ALERT_RULES
from cs_assets.health.contracts import CUSTOMER_MEASURES
from cs_assets.health.score_contracts import CUSTOMER_HEALTH, HEALTH_TREND, OUTLOOK
from cs_assets.health.scorecard import BUILT_IN, load_scorecard
from cs_assets.yaml_files import YamlFileError
from cs_resources.errors import ConfigurationError
from cs_resources.settings import Settings
from tests.apps.replay_cases import (
    CUSTOMERS,
    Scored,
    card_file,
    grade_by_hand,
    moved_weight,
    overall_by_hand,
    written_card,
)

PACKAGED = BUILT_IN / "saas_8.yaml"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    made = Scored(tmp_path_factory.mktemp("replay"))
    made.make()
    return made


@pytest.fixture(scope="module")
def moved(home: Scored, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """The replay of a card with one weight moved."""
    file = card_file(tmp_path_factory.mktemp("cards"), moved_weight())
    return home.replayed(file, *PERIOD_GRAINS)


def told(replay: Replay, locale: Locale) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(ReplayReport(replay, locale).shown())
    return captured.get()


def of_card(home: Scored, contract: Contract) -> list[Row]:
    return [row for row in home.read(contract) if row["scorecard"] == "saas_8"]


def test_the_scorecard_in_use_gives_exactly_what_was_published(home: Scored) -> None:
    before = home.hashes()
    found = home.replayed(PACKAGED, *PERIOD_GRAINS)
    for grain in PERIOD_GRAINS:
        shadow = home.shadow(grain, found.candidate.card.fingerprint)
        assert len(shadow) >= CUSTOMERS
        for contract in (CUSTOMER_HEALTH, HEALTH_TREND):
            names = [column.name for column in contract.columns if column not in OUTLOOK]
            own = [{name: row[name] for name in names} for row in shadow]
            assert own == [
                {name: row[name] for name in names}
                for row in of_card(home, contract.for_grain(grain))
            ]
    assert [period.rescored + period.regraded + period.stale for period in found.periods] == [0] * 4
    assert (found.largest, found.candidate.moves_alerts) == ((), False)
    assert home.hashes() == before
    assert "Nothing would differ: 48 scores" in told(found, "en")


def test_a_moved_weight_differs_where_a_calculation_by_hand_says_so(
    home: Scored, moved: Replay
) -> None:
    new, old = moved_weight(), written_card()
    regraded = dict.fromkeys(PERIOD_GRAINS, 0)
    for grain in PERIOD_GRAINS:
        shadow = home.shadow(grain, moved.candidate.card.fingerprint)
        published = of_card(home, CUSTOMER_HEALTH.for_grain(grain))
        for now, was in zip(shadow, published, strict=True):
            assert (now["customer_id"], now["period_key"]) == (
                was["customer_id"],
                was["period_key"],
            )
            dimensions = json.loads(was["dimension_scores"])
            sums = [
                overall_by_hand(dimensions, c["weights"][was["customer_type"]]) for c in (new, old)
            ]
            assert (now["overall"], was["overall"]) == pytest.approx(sums, abs=2e-6)
            assert now["grade"] == grade_by_hand(now["overall"], new)
            regraded[grain] += now["grade"] != was["grade"]
    assert sum(regraded.values()) > 0
    for grain in PERIOD_GRAINS:
        own = [period for period in moved.periods if period.grain is grain]
        assert sum(period.regraded for period in own) == regraded[grain]
        assert all(sum(period.grades.values()) == period.customers for period in own)
        changed = [sum(n for (a, b), n in p.grades.items() if a != b) for p in own]
        assert changed == [period.regraded for period in own]


def test_the_largest_differences_have_their_reasons(home: Scored, moved: Replay) -> None:
    sizes = [abs(item.now - item.was) for item in moved.largest]
    assert sizes == sorted(sizes, reverse=True)
    assert len({item.customer_id for item in moved.largest}) == len(sizes) <= CUSTOMERS
    for item in moved.largest:
        assert set(item.causes) == {"weights"}
        assert sum(item.causes.values()) == pytest.approx(item.now - item.was, abs=1e-9)
        assert sum(item.dimensions.values()) == pytest.approx(item.now - item.was, abs=2e-6)
    said = told(moved, "en")
    assert "weights +" in said or "weights -" in said
    assert "Satisfaction" in said
    assert "评分卡 saas_8" in told(moved, "zh")


def test_alerts_open_and_end_as_the_rules_say(home: Scored, tmp_path: Path) -> None:
    card = written_card()
    for grade in card["grades"]:
        grade.update({"at_risk": {"from": 0.5}, "critical": {"to": 0.5}}.get(grade["name"], {}))
    found = home.replayed(card_file(tmp_path, card))
    held = 0
    for period in found.periods:
        contract = CUSTOMER_HEALTH.for_grain(period.grain)
        rows = [row for row in of_card(home, contract) if row["period_key"] == period.key]
        opens = sum(0.3 <= row["overall"] < 0.5 for row in rows)
        assert period.alerts == ({("grade_critical", "opens"): opens} if opens else {})
        held += opens
        alerts = home.read(RISK_ALERT.for_grain(period.grain))
        critical = {row["customer_id"] for row in rows if row["grade"] == "critical"}
        published = {
            row["customer_id"]
            for row in alerts
            if (row["rule"], row["period_key"]) == ("grade_critical", period.key)
        }
        assert published == critical
    assert held > 0


def test_rules_of_alerts_of_ones_own_go_with_a_candidate(home: Scored, tmp_path: Path) -> None:
    text = ALERT_RULES.read_text("utf-8").replace(
        "column: nps, below: 0", "column: nps, below: 101"
    )
    rules = tmp_path / "alerts.yaml"
    rules.write_text(text, "utf-8")
    found = home.replayed(PACKAGED, alerts=rules)
    assert sum(period.rescored for period in found.periods) == 0
    for period in found.periods:
        measured = home.read(CUSTOMER_MEASURES.for_grain(period.grain))
        mild = [r for r in measured if r["period_key"] == period.key and (r["nps"] or 0) >= 0]
        known = [row for row in mild if row["nps"] is not None]
        assert period.alerts == {("detractor", "opens"): len(known)}


def test_alerts_that_look_at_another_scorecard_are_not_concerned(
    home: Scored, tmp_path: Path
) -> None:
    card = written_card("service_4")
    card["grades"][0]["from"] = card["grades"][1]["to"] = 0.9
    found = home.replayed(card_file(tmp_path, card))
    assert not found.candidate.moves_alerts
    assert all(period.alerts == {} for period in found.periods)
    assert sum(period.regraded for period in found.periods) > 0
    assert "look at scorecard saas_8" in told(found, "en")


def test_what_is_stale_is_not_laid_to_the_candidate(home: Scored, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    file = card_file(own, moved_weight())
    house = Scored(home.settings.cs_home, health_scorecards=own)
    found = house.replayed(file)
    assert sum(period.stale for period in found.periods) > 0
    assert all(set(item.causes) == {"stale"} for item in found.largest)
    assert "Beware" in told(found, "en")


def test_candidates_lie_side_by_side_until_they_are_removed(
    home: Scored, moved: Replay, tmp_path: Path
) -> None:
    other = home.replayed(card_file(tmp_path, moved_weight(0.05)))
    again = home.replayed(card_file(tmp_path, moved_weight()))
    assert again.periods == tuple(p for p in moved.periods if p.grain is Grain.MONTH)
    first, second = (found.candidate.card.fingerprint for found in (moved, other))
    before = home.shadow(Grain.MONTH, first)
    kept_now = {item.fingerprint: item for item in kept(home.kept)}
    assert {first, second} <= set(kept_now)
    assert kept_now[second].rows == sum(period.customers for period in other.periods)
    assert kept_now[second].periods == {Grain.MONTH: 1}
    assert kept_now[first].periods == {Grain.WEEK: 2, Grain.MONTH: 1, Grain.QUARTER: 1}
    assert remove(home.kept, second) == kept_now[second].rows
    assert home.shadow(Grain.MONTH, second) == []
    assert home.shadow(Grain.MONTH, first) == before
    assert second not in {item.fingerprint for item in kept(home.kept)}
    with pytest.raises(ConfigurationError, match=f"--remove: there is no replay {second}"):
        remove(home.kept, second)


def test_a_candidate_of_another_name_says_what_it_replaces(home: Scored, tmp_path: Path) -> None:
    file = card_file(tmp_path, moved_weight() | {"name": "trial"})
    with pytest.raises(ConfigurationError, match="trial replaces none by name; name one of saas_8"):
        home.replayed(file)
    with pytest.raises(ConfigurationError, match="there is no scorecard nine; name one of saas_8"):
        home.replayed(file, against="nine")
    found = home.replayed(file, against="saas_8")
    assert found.candidate.replaces.name == "saas_8"
    assert found.candidate.alerts_now[1].name == "trial"
    shadow = home.shadow(Grain.MONTH, found.candidate.card.fingerprint)
    assert {row["scorecard"] for row in shadow} == {"trial"}


def test_a_candidate_without_a_grade_that_alerts_wait_for_is_refused(
    home: Scored, tmp_path: Path
) -> None:
    card = written_card()
    card["grades"] = [
        {**grade, "name": "lost" if grade["name"] == "critical" else grade["name"]}
        for grade in card["grades"]
    ]
    file = card_file(tmp_path, card)
    with pytest.raises(YamlFileError, match=r"grade_critical: .* grade is never critical") as said:
        home.replayed(file)
    assert str(file) in str(said.value)


def test_what_was_never_published_is_told(tmp_path: Path) -> None:
    house = Scored(tmp_path)
    with pytest.raises(ConfigurationError, match="has published scores; make them first"):
        house.replayed(PACKAGED)
    assert kept(house.kept) == []


@pytest.mark.parametrize("code", TEXTS)
def test_every_text_is_there_in_both_languages(code: str) -> None:
    chinese, english = TEXTS[code]["zh"], TEXTS[code]["en"]
    assert any(character > "\u2e80" for character in chinese)
    assert all(character < "\u2e80" for character in english)
    assert sorted(re.findall(r"{\w+", chinese)) == sorted(re.findall(r"{\w+", english))


def test_a_wrong_file_is_refused_with_the_loaders_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CS_HOME", str(tmp_path / "home"))
    card = written_card()
    card["weights"]["startup"]["usage"] = 0.3
    file = card_file(tmp_path, card)
    with pytest.raises(YamlFileError) as refused:
        load_scorecard(file)
    days = ("--from", "2025-12", "--to", "2025-12")
    result = CliRunner().invoke(app, ["replay", "--scorecard", str(file), *days])
    assert result.exit_code == 1
    assert str(refused.value) in result.output
    assert "weights.startup: they sum to 1.05, not to 1" in result.output
    assert not (tmp_path / "home" / "warehouse.sqlite").exists()
