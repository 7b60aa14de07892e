"""What a computation hands to the store: a table, and what else must hold before it is published.

Belongs here: the vocabulary between computing and storing. Must not: computing, storing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

Tabular: TypeAlias = ir.Table | pd.DataFrame | pa.RecordBatchReader
"""The three forms in which a table may be held in memory."""


@dataclass(frozen=True)
class Piece:
    """A piece of a text file; provenance (when it was made) stays out of content hashes."""

    text: str
    is_provenance: bool = False


@dataclass(frozen=True)
class ExpectedTotal:
    """A law between tables: a partition's row count or column sum must equal a figure known from
    elsewhere (rows read, another mart's total).

    `expected` maps Dagster partition keys to the figure; partitions left out are not tested.
    """

    name: str
    expected: Mapping[str, int]
    column: str | None = None


@dataclass(frozen=True)
class Result:
    """A computed table on its way to its place.

    `totals` are laws tested before anything is published; `figures` are named numbers per
    partition that a reader wants to see (rows read, duplicates dropped, …); `refused` maps
    partitions that cannot be computed to the reason; `unfinished` maps partitions that are
    published, and that another run may make better, to what is missing; `explains` is the
    expression whose SQL and column lineage are shown, where another than that behind `table` tells
    more: lineage leads through what was kept (`Stager.kept`), the SQL shown does not;
    `picture` is a Dagster metadata value that shows the run's newest days; `published` is called
    with the partitions that were published, to show what belongs to the table and lies outside of
    the stores (a retry may call it again).
    """

    table: Tabular
    totals: tuple[ExpectedTotal, ...] = ()
    figures: Mapping[str, Mapping[str, int | float | str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)
    explains: ir.Table | None = None
    picture: object | None = None
    published: Callable[[Sequence[str]], None] | None = None
