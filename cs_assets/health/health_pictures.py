"""Pictures of customers' health for metadata.

Belongs here: which figures are drawn of scores and forecasts, and their tables in people's words.
Must not: drawing (see `figures`), computing what is drawn.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import dagster as dg

from cs_assets.health.forecast_contracts import EVERY_TYPE
from cs_assets.health.scorecard import Scorecard
from cs_resources.figures import BEST_TO_WORST, intervals_figure, shares_figure
from cs_resources.metadata import markdown_table

Locale: TypeAlias = Literal["zh", "en"]
Rows: TypeAlias = Iterable[Mapping[str, Any]]
PERIODS = 12
"""How many periods the picture of forecasts shows at most."""
_UNKNOWN = "unknown"
_TEXTS: Mapping[Locale, Mapping[str, str]] = {
    "zh": {
        "before": "上期等级（行）→ 本期等级（列）",
        _UNKNOWN: "未知",
        "none": "没有可以检验的预测",
        "beats": "预测优于“保持不变”：平均误差 {mae:.4f}，保持不变为 {still:.4f}",
        "fails": "预测没有优于“保持不变”：平均误差 {mae:.4f}，保持不变为 {still:.4f}",
    },
    "en": {
        "before": "grade before (rows) → now (columns)",
        _UNKNOWN: "unknown",
        "none": "no forecast could be graded",
        "beats": 'the forecast beats "no change": mean error {mae:.4f} against {still:.4f}',
        "fails": 'the forecast does not beat "no change": mean error {mae:.4f} against {still:.4f}',
    },
}


def grades_picture(counts: Rows, cards: Sequence[Scorecard]) -> dg.MarkdownMetadataValue | None:
    """Show how many customers of the newest period have which grade, a bar for each scorecard.

    `counts`: rows with `period_key`, `scorecard`, `grade` and `rows`; none of them: no picture.
    """
    newest, own = _newest(counts)
    if newest is None:
        return None
    customers = {(row["scorecard"], row["grade"] or _UNKNOWN): row["rows"] for row in own}
    grades = dict.fromkeys(grade.name for card in cards for grade in _best_first(card))
    bars = {
        grade: [customers.get((card.name, grade), 0) for card in cards]
        for grade in (*grades, _UNKNOWN)
        # every grade keeps its colour, though nobody has it
        if grade in grades or any((card.name, grade) in customers for card in cards)
    }
    names = [card.name for card in cards]
    return shares_figure(f"customers by grade, {newest}", names, bars, BEST_TO_WORST)


def movement_table(
    counts: Rows, cards: Sequence[Scorecard], locale: Locale
) -> dg.MarkdownMetadataValue | None:
    """Show how customers moved between grades since the period before the newest one.

    `counts`: rows with `period_key`, `scorecard`, `previous_grade`, `grade` and `rows`.
    """
    newest, own = _newest(counts)
    if newest is None:
        return None
    texts, parts = _TEXTS[locale], []
    moved = Counter[tuple[str, str, str]]()
    for row in own:
        grades = (row["previous_grade"] or _UNKNOWN, row["grade"] or _UNKNOWN)
        moved[row["scorecard"], *grades] += row["rows"]
    for card in cards:
        names = {grade.name: getattr(grade.title, locale) for grade in _best_first(card)}
        names[_UNKNOWN] = texts[_UNKNOWN]
        rows = [
            {texts["before"]: said} | {to: moved[card.name, was, now] for now, to in names.items()}
            for was, said in names.items()
        ]
        parts.append(f"{getattr(card.title, locale)}, {newest}\n\n{markdown_table(rows)}")
    return dg.MetadataValue.md("\n\n".join(parts))


def forecast_words(row: Mapping[str, Any], locale: Locale) -> str:
    """Say plainly whether the forecast beats "no change", of a row of `forecast_accuracy`."""
    key = {True: "beats", False: "fails"}.get(row["beats_no_change"], "none")
    return _TEXTS[locale][key].format(mae=row["mae"], still=row["mae_no_change"])


def forecasts_picture(accuracy: Rows, locale: Locale) -> dg.MarkdownMetadataValue | None:
    """Show the forecast's error over that of "no change" (1) by period, and say which is better.

    `accuracy`: rows of `forecast_accuracy`, of any periods; nothing graded: no picture.
    """
    rows = [row for row in accuracy if row["customer_type"] == EVERY_TYPE and row["mae_no_change"]]
    periods = sorted({row["period_key"] for row in rows})[-PERIODS:]
    if not periods:
        return None
    is_one_tenant = len({row["tenant_id"] for row in rows}) == 1
    lines: dict[str, list[float]] = {"no change": [1.0] * len(periods)}
    said = []
    for row in rows:
        name = row["scorecard"] if is_one_tenant else f"{row['tenant_id']} {row['scorecard']}"
        if row["period_key"] in periods:
            line = lines.setdefault(name, [float("nan")] * len(periods))
            line[periods.index(row["period_key"])] = row["mae"] / row["mae_no_change"]
        if row["period_key"] == periods[-1]:
            said.append(f"- {name}, {periods[-1]}: {forecast_words(row, locale)}")
    title = 'mean error of the forecast, where that of "no change" is 1'
    picture = intervals_figure(title, periods, lines, {})
    return dg.MetadataValue.md("\n".join([picture.value or "", "", *sorted(said)]))


def _newest(counts: Rows) -> tuple[str | None, list[Mapping[str, Any]]]:
    rows = list(counts)
    newest = max((row["period_key"] for row in rows), default=None)
    return newest, [row for row in rows if row["period_key"] == newest]


def _best_first(card: Scorecard) -> list[Any]:
    return sorted(card.grades, key=lambda grade: -grade.from_)
