"""The forms of a contract: SQLAlchemy table, pandera schema, Dagster's column schema, dictionary.

Belongs here: translation only. Must not: a rule that the contract does not state.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg
import ibis.expr.datatypes as dt
import pandera.pandas as pa
import sqlalchemy as sa

from cs_assets.contracts import UNPARTITIONED, Column, Contract, Place

MASK = "•••"


def sql_type(type_: dt.DataType) -> sa.types.TypeEngine[Any]:
    """Return the SQLAlchemy type that holds an Ibis type on every supported database."""
    if isinstance(type_, dt.Decimal):
        # SQLite has no decimals; what its floats cannot keep is refused when it is loaded
        return sa.Numeric(type_.precision, type_.scale).with_variant(
            sa.Double(asdecimal=True, decimal_return_scale=type_.scale), "sqlite"
        )
    if type_.is_integer():
        return sa.BigInteger()
    if type_.is_floating():
        return sa.Double()
    if type_.is_boolean():
        return sa.Boolean()
    if type_.is_date():
        return sa.Date()
    if type_.is_timestamp():
        return sa.DateTime()
    if type_.is_string():
        return sa.Text()
    raise TypeError(f"no SQL type for {type_}: warehouse tables hold scalars only")


def sqlalchemy_table(contract: Contract, metadata: sa.MetaData) -> sa.Table:
    """Return the warehouse table; the grains of a mart, which share a table, share it here too."""
    if contract.table_name in metadata.tables:
        return metadata.tables[contract.table_name]
    columns = [
        sa.Column(
            column.name,
            sql_type(column.type),
            primary_key=column.name in contract.key,
            nullable=column.nullable,
            comment=column.description,
        )
        for column in contract.columns
    ]
    table = sa.Table(contract.table_name, metadata, *columns, comment=contract.description)
    scope = [
        name for name in ("period_type", contract.partition_column) if name in contract.column_names
    ]
    if scope:
        name = f"ix_{contract.table_name}_partition"
        sa.Index(name, *(table.c[name] for name in scope if name))
    return table


def pandera_schema(contract: Contract) -> pa.DataFrameSchema:
    """Return the schema that a pandas frame of this contract must keep (types, ranges, key)."""
    return pa.DataFrameSchema(
        {column.name: _pandera_column(column) for column in contract.columns},
        unique=list(contract.key) or None,
        strict=True,
        name=contract.asset_name,
    )


def _pandera_column(column: Column) -> pa.Column:
    checks = []
    if column.minimum is not None:
        checks.append(pa.Check.ge(column.minimum))
    if column.maximum is not None:
        checks.append(pa.Check.le(column.maximum))
    if column.allowed is not None:
        checks.append(pa.Check.isin(column.allowed))
    return pa.Column(
        _pandas_type(column.type), checks=checks, nullable=column.nullable, required=True
    )


def _pandas_type(type_: dt.DataType) -> str | None:
    if type_.is_integer():
        return "Int64" if type_.nullable else "int64"
    if type_.is_floating():
        return "float64"
    if type_.is_boolean():
        return "boolean" if type_.nullable else "bool"
    if type_.is_string():
        return "str"
    if type_.is_timestamp():
        return "datetime64[us]"
    return None  # dates and decimals are Python objects in a frame


def dagster_schema(contract: Contract) -> dg.TableSchema:
    """Return the column schema that Dagster's UI shows."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(column.type.copy(nullable=True)),
                description=describe(column),
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
                tags=_tags(contract, column),
            )
            for column in contract.columns
        ]
    )


def _tags(contract: Contract, column: Column) -> dict[str, str]:
    marks = {
        "key": column.name in contract.key,
        "partition": column.name == contract.partition_column,
        "provenance": column.is_provenance,
        "personal": column.is_personal,
    }
    return {name: "" for name, holds in marks.items() if holds}


def describe(column: Column) -> str:
    """Return one sentence about a column: meaning, unit, range, values, source."""
    parts = [column.description]
    if column.unit:
        parts.append(f"Unit: {column.unit}.")
    if column.minimum is not None and column.maximum is not None:
        parts.append(f"From {column.minimum:g} to {column.maximum:g}.")
    elif column.minimum is not None:
        parts.append(f"At least {column.minimum:g}.")
    elif column.maximum is not None:
        parts.append(f"At most {column.maximum:g}.")
    if column.allowed is not None:
        parts.append(f"One of {', '.join(column.allowed)}.")
    if column.source:
        parts.append(f"Source: {column.source}.")
    if column.is_personal:
        parts.append("Personal data.")
    if column.is_provenance:
        parts.append("Provenance, not part of the content hash.")
    return " ".join(parts)


def dictionary_entry(contract: Contract, assets: Iterable[str]) -> str:
    """Return the Markdown section of a table for the data dictionary."""
    place = "Lake table" if contract.place is Place.LAKE else "Warehouse table"
    folder = f"{contract.system}/{contract.table_name}"
    where = folder if contract.place is Place.LAKE else contract.table_name
    lines = [
        f"### `{contract.table_name}`",
        "",
        contract.description,
        "",
        f"- {place}: `{where}`",
        f"- Assets: {', '.join(f'`{asset}`' for asset in assets) or 'none'}",
        f"- Key: {', '.join(f'`{name}`' for name in contract.key) or 'none'}",
        f"- Partition: {contract.partition_column or UNPARTITIONED}",
    ]
    if contract.keeps_history:
        lines.append(f"- Replaced rows: `{contract.table_name}_history`")
    lines += [f"- Rule: {rule.description}" for rule in contract.rules]
    lines += ["", "| column | type | null | meaning |", "|---|---|---|---|"]
    lines += [
        f"| `{column.name}` | {column.type.copy(nullable=True)} "
        f"| {'yes' if column.nullable else 'no'} | {describe(column)} |"
        for column in contract.columns
    ]
    return "\n".join(lines) + "\n"
