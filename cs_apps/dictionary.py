"""The data dictionary: docs/data-dictionary.md, written from the contracts.

Belongs here: the page around the entries. Must not: anything a contract does not say.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cs_apps.home import PROJECT
from cs_assets.contract_forms import dictionary_entry
from cs_assets.contracts import Contract
from cs_assets.definitions import CONTRACTS, TABLES

PAGE = PROJECT / "docs" / "data-dictionary.md"
_HEAD = """# Data dictionary

Written from the contracts by `make dictionary`; do not edit by hand.

Days are local dates, instants without a zone are local time unless marked UTC. Periods are keyed
`2025-W48`, `2025-11`, `2025-Q4`. A figure that cannot be known is null, never a default.
"""


def page() -> str:
    """Return the whole page; the grains of a mart share one entry."""
    tables: dict[tuple[str, str], list[Contract]] = defaultdict(list)
    for contract in TABLES:
        tables[contract.system, contract.table_name].append(contract)
    parts, system = [_HEAD], ""
    for (own, _), contracts in tables.items():
        if own != system:
            system = own
            parts.append(f"## {system}\n")
        names = [contract.asset_name for contract in contracts if contract in CONTRACTS]
        parts.append(dictionary_entry(_shared(contracts), names))
    return "\n".join(parts)


def _shared(contracts: Sequence[Contract]) -> Contract:
    """Return the contract of a table that several grains share: any of their period types."""
    allowed = tuple(contract.grain.value for contract in contracts if contract.grain)
    columns = tuple(
        replace(column, allowed=allowed) if column.name == "period_type" else column
        for column in contracts[0].columns
    )
    return replace(contracts[0], columns=columns)


def write(target: Path = PAGE) -> None:
    """Write the page."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
