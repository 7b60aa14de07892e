"""Staging: any form of table becomes Parquet files that are audited before they are published.

Belongs here: writing the staged files, running the audit, previews and samples. Must not: knowing
how they are published. A table for the lake is staged as the very files that the lake will hold,
those of each partition in a folder of their own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from cs_assets.audit import (
    FIRST_ROWS,
    PARTITION,
    ROW_NUMBER,
    RULE,
    PartitionAudit,
    audit_query,
    broken_rows,
    content_hash,
    may_repeat_keys,
    read_audit,
    repeated_keys,
)
from cs_assets.contract_forms import MASK
from cs_assets.contracts import Contract
from cs_assets.results import Result
from cs_resources import staged_files
from cs_resources.conform import conform
from cs_resources.disk import room_in
from cs_resources.duckdb_session import PLACE_IN_FILE, ROWS_PER_FILE, DuckDBSession
from cs_resources.errors import ContractError
from cs_resources.streams import with_cause

Rows = list[dict[str, Any]]
_MEMORY = "memory"


@dataclass(frozen=True)
class Staged:
    """A table that was computed and audited, but is not yet published.

    `path` is a file, or a folder with a folder `column=value` of files for each partition.
    `failures` maps partition keys to the laws they break, in words; `samples` to some of the rows
    that do. Personal columns are masked in `previews` and `samples`.
    """

    contract: Contract
    path: Path
    audits: Mapping[str, PartitionAudit]
    failures: Mapping[str, tuple[str, ...]]
    previews: Mapping[str, Rows]
    samples: Mapping[str, Rows]
    sql: str = ""
    lineage: dg.TableColumnLineage | None = None
    picture: object | None = None
    figures: Mapping[str, Mapping[str, int | float | str]] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)
    published: Callable[[Sequence[str]], None] | None = None

    @property
    def good(self) -> list[str]:
        """Keys of the partitions that keep every law."""
        return [key for key in self.audits if key not in self.failures]

    @property
    def files(self) -> list[str]:
        """The staged files that are still where they were written."""
        return staged_files.listed(self.path)

    def discard(self) -> None:
        """Delete the staged files."""
        staged_files.remove(self.path)


@dataclass(frozen=True)
class Stager:
    """Stages and audits tables in `folder`."""

    session: DuckDBSession
    folder: Path

    def stage(self, result: Result, contract: Contract, partitions: Sequence[str]) -> Staged:
        """Compute the table, write it to staged files and audit every requested partition.

        Raises ContractError when columns differ from the contract or rows belong to a partition
        that was not asked for: then no partition can be trusted.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{contract.system}-{contract.name}-{uuid4().hex}.parquet"
        _require_whole_numbers(result, contract)
        try:
            with room_in(self.folder, contract.asset_name):
                self._write(result.table, contract, path)
            return self._audit(result, contract, partitions, path)
        except BaseException:
            staged_files.remove(path)
            raise

    def open(self, staged: Staged, session: DuckDBSession) -> ir.Table:
        """Return the staged rows in the contract's columns, as a table of `session`."""
        rows = session.parquet(staged.files, f"staged_{staged.contract.name}")
        return rows.select(*staged.contract.column_names)

    def held(self, reader: pa.RecordBatchReader, contract: Contract) -> ir.Table:
        """Hold a stream as a table, to be read more than once, while an expression refers to it."""
        self.session.tidy()
        name = f"{contract.name}_{uuid4().hex[:8]}"
        with self._aside(reader) as (cursor, _):
            cursor.execute(f'CREATE TABLE "{name}" AS SELECT * FROM {_MEMORY}')  # noqa: S608
        return self.session.table(name)

    def kept(self, table: ir.Table, name: str = "rows", is_explained: bool = True) -> ir.Table:
        """Compute a lazy table once, to be read more than once; `name` is how it reads in the SQL.

        One that is not to be explained lets go of the tables that it was computed from.
        Not `Table.cache`: that shares tables between equal expressions, and drops one while
        another still reads it.
        """
        self.session.tidy()
        unique = f"kept_{name}_{uuid4().hex[:12]}"
        self.session.backend.create_table(unique, table)
        kept = self.session.table(unique)
        if is_explained:
            self.session.origins[kept.op()] = table.op()
        return kept

    def batches(self, table: ir.Table, rows: int) -> Iterator[pa.RecordBatch]:
        """Return a `held` or `kept` table batch by batch, whatever else is asked meanwhile."""
        with self.session.backend.con.cursor() as cursor:
            query = str(ibis.to_sql(table, dialect="duckdb"))
            yield from cursor.execute(query).to_arrow_reader(rows)

    def _write(self, table: object, contract: Contract, path: Path) -> None:
        """Write any form of table to `path`."""
        backend = self.session.backend
        if not isinstance(table, ir.Table):
            with self._aside(table) as (cursor, expression):
                query = str(ibis.to_sql(conform(expression, contract), dialect="duckdb"))
                for statement in self._statements(f"({query})", contract, path):
                    cursor.execute(statement)
            return
        expression = conform(table, contract)
        view = f"stage_{uuid4().hex}"
        backend.create_view(view, expression)
        try:
            for statement in self._statements(view, contract, path):
                backend.raw_sql(statement)
        finally:
            backend.drop_view(view)

    def _statements(self, rows: str, contract: Contract, path: Path) -> tuple[str, str]:
        types = self.session.backend.compiler.type_mapper
        return staged_files.copy_statements(rows, contract, path, types)

    @contextmanager
    def _aside(self, table: object) -> Iterator[tuple[duckdb.DuckDBPyConnection, ir.Table]]:
        """Show data in memory to a connection of its own.

        A stream may come from a query of the session, whose connection would wait for itself.
        """
        if isinstance(table, pd.DataFrame):
            data = pa.Table.from_pandas(table, preserve_index=False)
            schema = data.schema
        elif isinstance(table, pa.RecordBatchReader):
            schema = table.schema
            # a bare stream is asked for one batch at a time; of a reader 1 GiB would be read ahead
            data = table.__arrow_c_stream__()
        else:
            raise TypeError(
                "an asset returns an ibis.Table, a pandas.DataFrame or a "
                f"pyarrow.RecordBatchReader, not {type(table).__name__}"
            )
        with self.session.backend.con.cursor() as cursor, with_cause(table):
            cursor.register(_MEMORY, data)
            yield cursor, ibis.table(ibis.Schema.from_pyarrow(schema), name=_MEMORY)

    def _audit(
        self,
        result: Result,
        contract: Contract,
        partitions: Sequence[str],
        path: Path,
    ) -> Staged:
        table = self._numbered(contract, path)
        sums = sorted({total.column for total in result.totals if total.column})
        answer = self._rows(audit_query(table, contract, sums))
        repeated = self._rows(repeated_keys(table, contract)) if may_repeat_keys(answer) else []
        try:
            audited = read_audit(answer, contract, sums, repeated)
        except ValueError as error:  # a value that no partition has
            raise ContractError(f"{contract.asset_name}: {error}") from error
        found = {audit.partition_key: audit for audit in audited}
        if stray := sorted(set(found) - set(partitions)):
            raise ContractError(
                f"{contract.asset_name}: rows for partitions that were not asked for: "
                f"{', '.join(stray[:5])}{' …' if len(stray) > 5 else ''}; nothing was published"
            )
        audits = {key: found.get(key) or _empty(key, sums) for key in partitions}
        failures = {key: laws for key in partitions if (laws := _broken(audits[key], result))}
        return Staged(
            contract=contract,
            path=path,
            audits=audits,
            failures=failures,
            previews=self._previews(table, contract, audits),
            samples=self._samples(table, contract, [audits[key] for key in failures]),
            picture=result.picture,
            figures=result.figures,
            unfinished=result.unfinished,
            published=result.published,
        )

    def _numbered(self, contract: Contract, path: Path) -> ir.Table:
        """Return the staged rows, each with a number of its own."""
        files, column = staged_files.listed(path), staged_files.partitioned_by(contract)
        if not files:  # no partition has a row
            numbers = {ROW_NUMBER: "int64", PLACE_IN_FILE: "int64"}
            schema = ibis.schema({**contract.schema, **numbers})
            return ibis.memtable(schema.to_pyarrow().empty_table())
        name = f"staged_{contract.name}"
        rows = self.session.parquet(
            files, name, row_number=ROW_NUMBER, hive_partitioning=column is not None
        )
        # of a folder's name the engine guesses the type
        return (
            rows.mutate(**{column: rows[column].cast(contract.schema[column])}) if column else rows
        )

    def _previews(
        self, table: ir.Table, contract: Contract, audits: Mapping[str, PartitionAudit]
    ) -> dict[str, Rows]:
        wanted = [number for audit in audits.values() for number in audit.first_rows]
        rows = self._masked_rows(table, contract, wanted)
        return {key: [rows[n] for n in audit.first_rows] for key, audit in audits.items()}

    def _samples(
        self, table: ir.Table, contract: Contract, audits: Sequence[PartitionAudit]
    ) -> dict[str, Rows]:
        rules = list(dict.fromkeys(broken.rule for audit in audits for broken in audit.broken))
        found = self._rows(broken_rows(table, contract, rules)) if rules else []
        rows = self._masked_rows(table, contract, [n for item in found for n in item[FIRST_ROWS]])
        samples: dict[str, Rows] = {audit.partition_key: [] for audit in audits}
        for item in sorted(found, key=lambda item: rules.index(item[RULE])):
            samples[contract.partition_key(item[PARTITION])] += [
                {"broken rule": item[RULE], **rows[number]} for number in item[FIRST_ROWS]
            ]
        return samples

    def _masked_rows(
        self, table: ir.Table, contract: Contract, numbers: Iterable[int]
    ) -> dict[int, dict[str, Any]]:
        """Map row numbers to rows; by a join, as a long list of numbers is slow to plan."""
        if not (found := sorted(set(numbers))):
            return {}
        wanted = pa.table({ROW_NUMBER: pa.array(found, pa.int64())})
        # what lies behind the last of them in every file is not read
        last = max(number % ROWS_PER_FILE for number in found)
        near = table.filter(table[PLACE_IN_FILE] <= last)
        backend, name = self.session.backend, f"wanted_{uuid4().hex}"
        backend.con.register(name, wanted)
        try:
            rows = self._rows(near.semi_join(backend.table(name), ROW_NUMBER))
        finally:
            backend.con.unregister(name)
        return {row[ROW_NUMBER]: masked(row, contract) for row in rows}

    def _rows(self, table: ir.Table) -> Rows:
        rows: Rows = self.session.backend.to_pyarrow(table).to_pylist()
        return rows


def masked(row: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    """Return the contract's columns of a row, personal values masked."""
    return {
        column.name: MASK
        if column.is_personal and row[column.name] is not None
        else row[column.name]
        for column in contract.columns
    }


def _require_whole_numbers(result: Result, contract: Contract) -> None:
    """Raise ContractError for a total over a column that cannot be added up exactly."""
    for total in result.totals:
        if total.column and not contract.schema.get(total.column, dt.null).is_integer():
            raise ContractError(
                f"{contract.asset_name}: the law {total.name!r} adds up {total.column}, which is "
                "not an integer column of the contract"
            )


def _empty(partition_key: str, sums: Sequence[str]) -> PartitionAudit:
    return PartitionAudit(
        partition_key, 0, content_hash(0, 0), sums=tuple((name, 0) for name in sums)
    )


def _broken(audit: PartitionAudit, result: Result) -> tuple[str, ...]:
    laws = [f"{broken.rule}: {broken.rows} rows" for broken in audit.broken]
    if reason := result.refused.get(audit.partition_key):
        laws.append(reason)
    for total in result.totals:
        expected = total.expected.get(audit.partition_key)
        measured = dict(audit.sums)[total.column] if total.column else audit.rows
        if expected is not None and measured != expected:
            what = f"sum of {total.column}" if total.column else "number of rows"
            laws.append(f"{total.name}: {what} is {measured}, expected {expected}")
    return tuple(laws)
