"""From what an asset computed to exactly the columns of its contract.

Belongs here: order and types of columns, and which types fit which. Must not: values, rules, files.
"""

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from cs_assets.contracts import Contract
from cs_resources.errors import ContractError


def conform(table: ir.Table, contract: Contract) -> ir.Table:
    """Bring columns into the contract's order and widen types where nothing can be lost.

    Raises ContractError naming missing columns, columns too many, and types that do not fit.
    """
    have, want = table.schema(), contract.schema
    missing = [name for name in want if name not in have]
    extra = [name for name in have if name not in want]
    wrong = [
        f"{name} is {have[name]}, not {want[name]}"
        for name in want
        if name in have and not _fits(have[name], want[name])
    ]
    if missing or extra or wrong:
        raise ContractError(
            f"{contract.asset_name} does not have the columns of its contract: "
            f"missing {missing}, too many {extra}, of another type {wrong}"
        )
    return table.select(**{name: _cast(table[name], type_) for name, type_ in want.items()})


def _cast(value: ir.Value, type_: dt.DataType) -> ir.Value:
    type_ = type_.copy(nullable=True)
    # a frame's column without any value has no type, for which DuckDB would take integer
    return ibis.null(type_) if value.type().is_null() else value.cast(type_)


def _fits(have: dt.DataType, want: dt.DataType) -> bool:
    """Say whether a value of one type is kept whole by the other, or else fails loudly."""
    have, want = have.copy(nullable=True), want.copy(nullable=True)
    if isinstance(have, dt.Decimal) and isinstance(want, dt.Decimal):
        return have == want or (have.scale or 0) <= (want.scale or 0)
    loses = (
        (have.is_timestamp() and want.is_date())
        or (have.is_floating() and want.is_decimal())
        or (isinstance(have, dt.Timestamp) and have.timezone != getattr(want, "timezone", None))
    )
    return bool(have.castable(want)) and not loses
