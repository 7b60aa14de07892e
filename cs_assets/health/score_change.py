"""The score-delta ledger: what moved a customer's score between two periods.

Belongs here: splitting a change into its causes. Must not: scoring (see `scoring`).

The way from the old score to the new one is walked in steps, each changing one thing and keeping
what earlier steps changed: measures that were lost; each common measure, in the order of
`MEASURES`; measures that were gained; curves (with benchmarks); weights, with dimensions and
pieces, and the customer's type. A step's delta is the difference of two overall scores as
published, so that the deltas of a customer sum to the published change.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter

import ibis
import ibis.expr.types as ir

from cs_assets.health.scorecard import Scorecard
from cs_assets.health.scorecard_parts import Dimension
from cs_assets.health.scoring import CUSTOMER_KEY, DIGITS, scores

KINDS = ("coverage", "measure", "thresholds", "weights")
LEDGER_COLUMNS = ("step", "kind", "measure", "delta")
_START, _LOST = 0, 1


def change_ledger(
    before: ir.Table,
    after: ir.Table,
    old: Scorecard,
    new: Scorecard,
    key: Sequence[str] = CUSTOMER_KEY,
) -> ir.Table:
    """Return what each step contributed to a customer's change, in `key` and `LEDGER_COLUMNS`.

    `before` and `after` have the key, `customer_type` and the measures, one row per key; `old`
    scores the one and `new` the other. `measure` is null but for kind measure; lost measures are
    coverage in step 1, gained ones coverage in the step after all measures. Steps that change
    nothing have no row. Customers without a score on either side have no ledger.
    """
    # what only the new scorecard reads moves nothing before the last step
    steps = _steps(old.measures)
    (*_, gained, thresholds, weights) = steps
    both = _both(before, after, key)
    walk = (
        (old, _walked(both, old.measures, gained, key)),
        (_with_curves(old, new), _at(both, thresholds, "before", key)),
        (new, _at(both, weights, "after", key)),
    )
    deltas = _deltas(_overall(walk, key), weights, key)
    kinds = [(deltas.step == step, kind) for step, (kind, _) in steps.items()]
    names = [(deltas.step == step, name) for step, (_, name) in steps.items() if name]
    named = deltas.mutate(
        kind=ibis.cases(*kinds), measure=ibis.cases(*names, else_=ibis.null("string"))
    )
    return named.select(*key, *LEDGER_COLUMNS)


def _steps(measures: Sequence[str]) -> dict[int, tuple[str, str | None]]:
    """Return kind and measure of each step, by its number."""
    walked = [("measure", name) for name in measures]
    ordered = [("coverage", None), *walked, ("coverage", None), ("thresholds", None)]
    return dict(enumerate([*ordered, ("weights", None)], _LOST))


def _both(before: ir.Table, after: ir.Table, key: Sequence[str]) -> ir.Table:
    """Return the customers of both periods, with every column as `before_…` and `after_…`."""
    earlier = before.rename(lambda name: name if name in key else f"before_{name}")
    later = after.rename(lambda name: name if name in key else f"after_{name}")
    return earlier.inner_join(later, key)


def _walked(both: ir.Table, measures: Sequence[str], gained: int, key: Sequence[str]) -> ir.Table:
    """Return the measures after each step that changes one, under the old scorecard."""
    turns = {}
    for step, name in enumerate(measures, _LOST + 1):
        was, is_now = both[f"before_{name}"], both[f"after_{name}"]
        turn = ibis.cases((is_now.isnull(), _LOST), (was.isnull(), gained), else_=step)
        turns[f"turn_{name}"] = ibis.ifelse(was.identical_to(is_now), ibis.null("int64"), turn)
    turned = both.mutate(**turns)
    # few measures change: a row for each turn, not for each step
    array = ibis.array([ibis.literal(_START), *(turned[turn] for turn in turns)])
    rows = turned.mutate(step=array.unique().unnest())
    rows = rows.filter(rows.step.notnull())
    return rows.select(
        *key,
        "step",
        customer_type=rows.before_customer_type,
        **{
            name: ibis.ifelse(
                rows.step >= rows[f"turn_{name}"], rows[f"after_{name}"], rows[f"before_{name}"]
            )
            for name in measures
        },
    )


def _at(both: ir.Table, step: int, type_of: str, key: Sequence[str]) -> ir.Table:
    """Return the later period's measures as a step, with the customer type of either period."""
    names = [name.removeprefix("after_") for name in both.columns if name.startswith("after_")]
    return both.select(
        *key,
        step=ibis.literal(step, type="int64"),
        **{name: both[f"after_{name}"] for name in names if name != "customer_type"},
        customer_type=both[f"{type_of}_customer_type"],
    )


def _overall(walk: Iterable[tuple[Scorecard, ir.Table]], key: Sequence[str]) -> ir.Table:
    """Score the measures after each step; what one scorecard reads is scored in one go."""
    scored = []
    for card, steps in groupby(walk, itemgetter(0)):
        names = (*key, "step", "customer_type", *card.measures)
        rows = ibis.union(*(measures.select(*names) for _, measures in steps))
        scored.append(scores(rows, card).select(*key, "step", "overall"))
    return ibis.union(*scored)


def _with_curves(old: Scorecard, new: Scorecard) -> Scorecard:
    """Return the old scorecard with the curves that the new one gives its pieces."""
    dimensions = {
        name: _with_pieces(dimension, new.dimensions[name]) if name in new.dimensions else dimension
        for name, dimension in old.dimensions.items()
    }
    benchmarks = {**old.benchmarks, **new.benchmarks}
    return old.model_copy(update={"dimensions": dimensions, "benchmarks": benchmarks})


def _with_pieces(old: Dimension, new: Dimension) -> Dimension:
    pieces = {
        name: new.pieces[name].model_copy(update={"weight": piece.weight})
        if name in new.pieces
        else piece
        for name, piece in old.pieces.items()
    }
    return old.model_copy(update={"pieces": pieces})


def _deltas(overall: ir.Table, last: int, key: Sequence[str]) -> ir.Table:
    """Return the difference of each step's score to the one before; steps without one are passed.

    Between the ends a score may be unknown: all that was known is lost before the rest is gained.
    """
    scored = overall.filter(overall.overall.notnull())
    whole = ibis.window(group_by=key)
    walk = ibis.window(group_by=key, order_by="step")
    compared = scored.mutate(
        first=scored.step.min().over(whole),
        final=scored.step.max().over(whole),
        delta=(scored.overall - scored.overall.lag().over(walk)).round(DIGITS),
    )
    is_whole = (compared.first == _START) & (compared.final == last)
    return compared.filter(is_whole & (compared.delta != 0))
