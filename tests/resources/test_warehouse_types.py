"""Values in the warehouse: each comes back as it went, or is refused by name."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from storage_cases import arrow, hashes, opened, publish, rows_of

from cs_assets.calendar import Grain
from cs_assets.contracts import Column, Contract, Place
from cs_resources.errors import ContractError

pytestmark = pytest.mark.usefixtures("either_warehouse")
VALUES = Contract(
    system="shop",
    name="values",
    description="A column of every type.",
    place=Place.WAREHOUSE,
    grain=Grain.DAY,
    partition_column="day",
    key=("day", "number"),
    columns=(
        Column("day", "date", "Day."),
        Column("number", "int64", "Number."),
        Column("amount", "decimal(18, 2)", "Amount.", nullable=True),
        Column("share", "float64", "Share.", nullable=True),
        Column("is_open", "boolean", "Open.", nullable=True),
        Column("at", "timestamp(6)", "Instant.", nullable=True),
        Column("text", "string", "Text.", nullable=True, is_personal=True),
    ),
)


def test_every_type_comes_back_as_it_went(tmp_path: Path, either_warehouse: str) -> None:
    # SQLite keeps NUL and forgets the sign of zero, PostgreSQL the other way round
    nul, zero = ("\0", 0.0) if either_warehouse == "sqlite" else ("", -0.0)
    rows = [
        {
            "day": date(2025, 1, 1),
            "number": 2**63 - 1,
            "amount": Decimal("1234567890123.45"),
            "share": 1 / 3,
            "is_open": False,
            "at": datetime.fromisoformat("0999-12-31 23:59:59.000001"),
            "text": nul + 'a\'b""\n中;--\r\n\t\\N😀\\',
        },
        {"day": date(2025, 1, 1), "number": 3, "text": "x\n\\.\n", "share": 5e-324},
        {"day": date(2025, 1, 1), "number": 2, "text": "", "is_open": True, "share": zero},
        {"day": date(2025, 1, 1), "number": 1, "text": "NULL", "amount": Decimal("-0.01")},
        {"day": date(2025, 1, 1), "number": -(2**63), "text": None, "share": 0.1 + 0.2},
    ]
    with opened(tmp_path, VALUES) as storage:
        table = arrow(VALUES, rows)
        publish(storage, VALUES, table, ["2025-01-01"])
        back = storage.stream(VALUES, ["2025-01-01"]).read_all()
        assert back.sort_by([("number", "descending")]).equals(table)
        found = hashes(storage, VALUES, ["2025-01-01"])["2025-01-01"]
        version = storage.warehouse.published(VALUES, ["2025-01-01"])["2025-01-01"]
        assert found == version.content_hash


def test_values_that_a_database_would_change_are_refused(
    tmp_path: Path, either_warehouse: str
) -> None:
    good = {"day": date(2025, 1, 1), "number": 1, "amount": Decimal("1234567890123456.78")}
    bad, message = (
        (good, "amount: SQLite")
        if either_warehouse == "sqlite"
        else (good | {"text": "a\0b"}, r"values\.text: .*NUL")
    )
    with opened(tmp_path, VALUES) as storage:
        with pytest.raises(ContractError, match=message):
            publish(storage, VALUES, arrow(VALUES, [bad]), ["2025-01-01"])
        if either_warehouse == "postgresql":
            publish(storage, VALUES, arrow(VALUES, [good]), ["2025-01-01"])
            (row,) = rows_of(storage, VALUES, ["2025-01-01"])
            assert row["amount"] == good["amount"]


CENTS = st.integers(-(10**14), 10**14).map(lambda n: Decimal(n) / 100)
TYPED = {
    "amount": CENTS,
    "share": st.floats(allow_nan=False, allow_infinity=False),
    "is_open": st.booleans(),
    "at": st.datetimes(),
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
}
ROW = st.fixed_dictionaries({name: st.none() | values for name, values in TYPED.items()})


def test_any_values_come_back_exactly(tmp_path: Path) -> None:
    with opened(tmp_path, VALUES) as storage:

        @given(st.dictionaries(st.integers(-(2**63), 2**63 - 1), ROW, max_size=50))
        @settings(max_examples=10)
        def check(rows: dict[int, dict[str, Any]]) -> None:
            day = {"day": date(2025, 1, 1)}
            table = arrow(VALUES, (day | {"number": n} | rows[n] for n in sorted(rows)))
            publish(storage, VALUES, table, ["2025-01-01"])
            back = storage.stream(VALUES, ["2025-01-01"]).read_all()
            assert back.sort_by("number").equals(table)

        check()


PLANTED_ERRORS = {
    "sqlite": ['CREATE TRIGGER no BEFORE INSERT ON "values" BEGIN SELECT RAISE(ABORT, "no"); END'],
    "postgresql": ["ALTER TABLE values ADD CHECK (number > 1)"],
}


def test_errors_of_the_database_do_not_show_rows(tmp_path: Path, either_warehouse: str) -> None:
    row = {"day": date(2025, 1, 1), "number": 1, "text": "13800000000"}
    with opened(tmp_path, VALUES) as storage:
        with storage.warehouse.engine.begin() as connection:
            for statement in PLANTED_ERRORS[either_warehouse]:
                connection.exec_driver_sql(statement.replace("TABLE values", 'TABLE "values"'))
        with pytest.raises(sa.exc.IntegrityError) as caught:
            publish(storage, VALUES, arrow(VALUES, [row]), ["2025-01-01"])
    assert "138" not in str(caught.value)
