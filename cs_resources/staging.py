"""Staging: any form of table becomes one Parquet file that is audited before it is published.

Belongs here: writing the staged file, running the audit, previews and samples. Must not: knowing
where the table goes next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from cs_assets.audit import (
    ROW_NUMBER,
    PartitionAudit,
    audit_query,
    broken_rows,
    content_hash,
    read_audit,
)
from cs_assets.contract_forms import MASK
from cs_assets.contracts import Contract
from cs_assets.results import Result
from cs_resources.duckdb_session import DuckDBSession
from cs_resources.errors import ContractError

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Staged:
    """A table that was computed and audited, but is not yet published.

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
    figures: Mapping[str, Mapping[str, int | float | str]] = field(default_factory=dict)

    @property
    def good(self) -> list[str]:
        """Keys of the partitions that keep every law."""
        return [key for key in self.audits if key not in self.failures]

    def discard(self) -> None:
        """Delete the staged file."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Stager:
    """Stages and audits tables in `folder`."""

    session: DuckDBSession
    folder: Path

    def stage(self, result: Result, contract: Contract, partitions: Sequence[str]) -> Staged:
        """Compute the table, write it to a staged file and audit every requested partition.

        Raises ContractError when columns differ from the contract or rows belong to a partition
        that was not asked for: then no partition can be trusted.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{contract.system}-{contract.name}-{uuid4().hex}.parquet"
        table = conform(self._as_expression(result.table), contract)
        sql = str(ibis.to_sql(table, dialect="duckdb")) if _is_lazy(result.table) else ""
        try:
            self._write(table, contract, path)
            return self._audit(result, contract, partitions, path, sql)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def open(self, staged: Staged) -> ir.Table:
        """Return the staged rows with their `file_row_number`."""
        return self._open(staged.path, staged.contract)

    def held(self, reader: pa.RecordBatchReader, contract: Contract) -> ir.Table:
        """Hold a stream as a temporary table, so that it can be read more than once."""
        stream = self._as_expression(reader)
        return self.session.backend.create_table(
            f"{contract.name}_{uuid4().hex[:8]}", stream, temp=True
        )

    def _open(self, path: Path, contract: Contract) -> ir.Table:
        return self.session.parquet([str(path)], f"staged_{contract.name}", file_row_number=True)

    def _write(self, table: ir.Table, contract: Contract, path: Path) -> None:
        """Write the file with every column cast by the database itself.

        Ibis takes a sum of integers for a 64-bit integer and leaves the cast out; DuckDB computes
        128 bits, which a Parquet file would hold as a float.
        """
        backend = self.session.backend
        mapper = backend.compiler.type_mapper
        casts = ", ".join(
            f'CAST("{name}" AS {mapper.to_string(type_)}) AS "{name}"'
            for name, type_ in contract.schema.items()
        )
        view = f"stage_{uuid4().hex}"
        backend.create_view(view, table)
        try:
            backend.raw_sql(
                f"COPY (SELECT {casts} FROM {view}) TO '{path}' "  # noqa: S608
                "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 100000)"
            )
        finally:
            backend.drop_view(view)

    def _as_expression(self, table: object) -> ir.Table:
        if isinstance(table, ir.Table):
            return table
        if isinstance(table, pd.DataFrame):
            return ibis.memtable(pa.Table.from_pandas(table, preserve_index=False))
        if isinstance(table, pa.RecordBatchReader):
            name = f"stream_{uuid4().hex}"
            self.session.backend.con.register(name, table)
            return self.session.backend.table(name)
        raise TypeError(
            f"an asset returns an ibis.Table, a pandas.DataFrame or a pyarrow.RecordBatchReader, "
            f"not {type(table).__name__}"
        )

    def _audit(
        self,
        result: Result,
        contract: Contract,
        partitions: Sequence[str],
        path: Path,
        sql: str,
    ) -> Staged:
        table = self._open(path, contract)
        sums = sorted({total.column for total in result.totals if total.column})
        answer = self.session.backend.to_pyarrow(audit_query(table, contract, sums)).to_pylist()
        found = {audit.partition_key: audit for audit in read_audit(answer, contract, sums)}
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
            samples={key: self._samples(table, contract, audits[key]) for key in failures},
            sql=sql,
            figures=result.figures,
        )

    def _previews(
        self, table: ir.Table, contract: Contract, audits: Mapping[str, PartitionAudit]
    ) -> dict[str, Rows]:
        numbers = [number for audit in audits.values() for number in audit.first_rows]
        if not numbers:
            return {}
        wanted = table.filter(table[ROW_NUMBER].isin(numbers)).order_by(ROW_NUMBER)
        by_number = {row[ROW_NUMBER]: row for row in self._rows(wanted)}
        return {
            key: [masked(by_number[number], contract) for number in audit.first_rows]
            for key, audit in audits.items()
        }

    def _samples(self, table: ir.Table, contract: Contract, audit: PartitionAudit) -> Rows:
        value = contract.partition_value(audit.partition_key)
        return [
            {"broken rule": broken.rule, **masked(row, contract)}
            for broken in audit.broken
            for row in self._rows(broken_rows(table, contract, broken.rule, value))
        ]

    def _rows(self, table: ir.Table) -> Rows:
        rows: Rows = self.session.backend.to_pyarrow(table).to_pylist()
        return rows


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
        if name in have
        and not have[name].copy(nullable=True).castable(want[name].copy(nullable=True))
    ]
    if missing or extra or wrong:
        raise ContractError(
            f"{contract.asset_name} does not have the columns of its contract: "
            f"missing {missing}, too many {extra}, of another type {wrong}"
        )
    return table.select(
        **{name: table[name].cast(type_.copy(nullable=True)) for name, type_ in want.items()}
    )


def masked(row: Mapping[str, Any], contract: Contract) -> dict[str, Any]:
    """Return the contract's columns of a row, personal values masked."""
    return {
        column.name: MASK
        if column.is_personal and row[column.name] is not None
        else row[column.name]
        for column in contract.columns
    }


def _is_lazy(table: object) -> bool:
    return isinstance(table, ir.Table)


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
