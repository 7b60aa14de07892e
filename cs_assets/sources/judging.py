"""From landed rows of text to facts: which rows count, which are repeats, which break a rule.

Belongs here: the machinery, the same for every source. Must not: a source's rules (see `rules`),
reading files.

Every row gets exactly one fate: loaded, duplicate (of a loaded row), or quarantined with the first
rule it breaks, in the order of the quarantine's reasons. Bad rows are set aside before duplicates
are looked for, so that a broken repeat never displaces a good row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from cs_assets.contracts import Contract
from cs_assets.quarantine import Reason
from cs_assets.sources.values import cleaned
from cs_resources.landed_rows import LandedSource

TEXT = "text_"
"""Before the name of a landed column as text."""
_PLACE = ("source_file", "row_number")


@dataclass(frozen=True)
class SourceRules:
    """What a row of a source may say.

    `values` gives the fact's columns of a table of texts (`text_<column>`), `broken` tells by
    reason which rows break it; `repeats` adds `is_duplicate` and may add a last reason.
    """

    source: LandedSource
    fact: Contract
    quarantine: Contract
    reasons: tuple[Reason, ...]
    values: Callable[[ir.Table], Mapping[str, ir.Value]]
    broken: Callable[[ir.Table], Mapping[str, ir.BooleanValue]]
    repeats: Callable[[ir.Table, "SourceRules"], ir.Table]

    @property
    def day(self) -> str:
        """The column of the fact's day."""
        if self.fact.partition_column is None:
            raise ValueError(f"{self.fact.asset_name} has no day")
        return self.fact.partition_column


def judge(rules: SourceRules, landed: ir.Table, customers: ir.Table | None = None) -> ir.Table:
    """Return landed rows in the fact's columns, with `reason`, `is_duplicate` and `record`.

    `landed` is that of `LandedRows`, `customers` the table customers_raw of the same days. `reason`
    is null for a row that keeps every rule; only rows that do not have a `record`.
    """
    texts = landed.mutate(
        **{TEXT + name: cleaned(landed[name]) for name in rules.source.columns}
    ).drop(*(name for name in rules.source.columns))
    typed = texts.mutate(
        **{rules.day: texts.day, "customer_id": texts[TEXT + "customer_id"]}
    ).mutate(**rules.values(texts))
    known = typed if customers is None else _with_customers(typed, rules.day, customers)
    judged = rules.repeats(known.mutate(reason=_first_broken(rules, known)), rules)
    return judged.mutate(record=_record(judged, rules)).select(
        *rules.fact.column_names, "reason", "is_duplicate", "record"
    )


def fact(judged: ir.Table, rules: SourceRules) -> ir.Table:
    """Return the rows that count, in the columns of the fact."""
    kept = judged.filter(judged.reason.isnull() & ~judged.is_duplicate)
    return kept.select(*rules.fact.column_names)


def quarantine(judged: ir.Table, rules: SourceRules) -> ir.Table:
    """Return the rows that break a rule, in the columns of the quarantine.

    `record` holds the row as landed; of one that could not be split, the list of its values.
    """
    bad = judged.filter(judged.reason.notnull())
    retryable = [reason.code for reason in rules.reasons if reason.is_retryable]
    return bad.mutate(
        source_table=bad.source_file,
        record_id=bad.row_number.cast("string"),
        is_retryable=bad.reason.isin(retryable),
    ).select(*rules.quarantine.column_names)


def account(judged: ir.Table, rules: SourceRules) -> ir.Table:
    """Count per day: rows judged, loaded, duplicates, quarantined."""
    is_bad = judged.reason.notnull()
    return judged.group_by(rules.day).agg(
        read=judged.count(),
        loaded=(~is_bad & ~judged.is_duplicate).sum().cast("int64"),
        duplicates=judged.is_duplicate.sum().cast("int64"),
        quarantined=is_bad.sum().cast("int64"),
    )


def first_of_customer(rows: ir.Table, rules: SourceRules) -> ir.Table:
    """Of good rows with one customer and day the first stands; the others break a rule."""
    later = _place_among(rows, ["tenant_id", rules.day, "customer_id"], *_PLACE) > 0
    repeated = rows.reason.isnull() & later
    reason = ibis.ifelse(repeated, "repeated_customer", rows.reason)
    return rows.mutate(reason=reason, is_duplicate=ibis.literal(False))


def most_in_one_file(rows: ir.Table, rules: SourceRules) -> ir.Table:
    """Equal rows count as often as the file that holds them most often."""
    values = [column.name for column in rules.fact.columns if not column.is_provenance]
    numbered = rows.mutate(occurrence=_place_among(rows, [*values, "source_file"], "row_number"))
    elsewhere = _place_among(numbered, [*values, "occurrence"], "source_file") > 0
    return numbered.mutate(is_duplicate=numbered.reason.isnull() & elsewhere).drop("occurrence")


def never(rows: ir.Table, rules: SourceRules) -> ir.Table:
    """No row is the repeat of another one: no two files have rows of one day."""
    return rows.mutate(is_duplicate=ibis.literal(False))


def last_of_ticket(rows: ir.Table, rules: SourceRules) -> ir.Table:
    """Of good rows with one ticket and day the last row of the last file stands."""
    key = ["tenant_id", rules.day, "ticket_id"]
    later = [ibis.desc(name) for name in _PLACE]
    return rows.mutate(is_duplicate=rows.reason.isnull() & (_place_among(rows, key, *later) > 0))


def _place_among(rows: ir.Table, key: list[str], *order: str | ir.Value) -> ir.IntegerColumn:
    """Number the rows of a key, good ones and bad ones apart."""
    window = ibis.window(group_by=[*key, rows.reason.isnull()], order_by=list(order))
    return ibis.row_number().over(window)


def _with_customers(rows: ir.Table, day: str, customers: ir.Table) -> ir.Table:
    known = customers.select(
        known_tenant="tenant_id", known_day="snapshot_date", known_customer="customer_id"
    ).distinct()
    return rows.left_join(
        known,
        [
            rows.tenant_id == known.known_tenant,
            rows[day] == known.known_day,
            rows.customer_id == known.known_customer,
        ],
    )


def _first_broken(rules: SourceRules, rows: ir.Table) -> ir.StringValue:
    broken = dict(rules.broken(rows))
    broken["unreadable_row"] = rows.problem.notnull()
    broken["no_customer_id"] = rows.customer_id.isnull()
    if "known_customer" in rows.columns:
        broken["unknown_customer"] = rows.known_customer.isnull()
    codes = [reason.code for reason in rules.reasons]
    if unnamed := set(broken) ^ set(codes) - {"repeated_customer"}:
        raise ValueError(f"{rules.fact.asset_name}: reasons without a rule, or not: {unnamed}")
    cases = [(broken[code], code) for code in codes if code in broken]
    return ibis.cases(*cases, else_=ibis.null("string"))


def _record(judged: ir.Table, rules: SourceRules) -> ir.StringValue:
    values = ibis.struct({name: judged[TEXT + name] for name in rules.source.columns})
    return ibis.cases(
        (judged.reason.isnull(), ibis.null("string")),
        (judged.problem.notnull(), judged.cells),
        else_=values.cast("json").cast("string"),
    )
