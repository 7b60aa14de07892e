"""Tables, rows, stores and writers in other processes that the storage tests share."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from shutil import copytree
from typing import Any, Protocol

import ibis
import pyarrow as pa
import sqlalchemy as sa

from cs_assets.calendar import Grain, Period, period_from_partition
from cs_assets.contracts import PERIOD_COLUMNS, TENANT, Column, Contract, Place, Rule
from cs_assets.results import Result
from cs_resources import lake, postgres_dialect, sqlite_dialect
from cs_resources.staging import Staged
from cs_resources.storage import Storage
from cs_resources.writing import Provenance

ORDERS = Contract(
    system="shop",
    name="orders",
    description="Orders of the day.",
    place=Place.LAKE,
    grain=Grain.DAY,
    partition_column="order_date",
    key=("tenant_id", "order_date", "order_id"),
    rules=(
        Rule(
            "paid more than the price",
            "Nobody pays more than the price.",
            lambda orders: orders.paid <= orders.price,
        ),
    ),
    columns=(
        TENANT,
        Column("order_date", "date", "Day of the order."),
        Column("order_id", "int64", "Order.", minimum=1),
        Column("price", "decimal(18, 2)", "Price.", unit="CNY", minimum=0, maximum=1_000),
        Column("paid", "decimal(18, 2)", "Paid so far.", nullable=True, unit="CNY"),
        Column("state", "string", "State.", allowed=("open", "done"), source="erp.orders.state"),
        Column("weight", "float64", "Weight.", nullable=True, unit="kg"),
        Column("is_gift", "boolean", "Wrapped.", nullable=True),
        Column("phone", "string", "Phone number.", nullable=True, is_personal=True),
        Column("note", "string", "Note.", nullable=True),
        Column("extracted_at", "timestamp(6)", "When it was read.", is_provenance=True),
    ),
)
TITLES = Contract(
    system="shop",
    name="titles",
    description="Titles as they are now.",
    place=Place.LAKE,
    key=("title_id",),
    columns=(
        Column("title_id", "int64", "Title."),
        Column("title", "string", "Its text.", nullable=True),
    ),
)
REVENUE = Contract(
    system="shop",
    name="revenue",
    table="shop_revenue",
    description="Revenue of a period.",
    place=Place.WAREHOUSE,
    partition_column="period_key",
    key=("tenant_id", "period_type", "period_key", "shop_id"),
    columns=(
        TENANT,
        *PERIOD_COLUMNS,
        Column("shop_id", "int64", "Shop."),
        Column("revenue", "int64", "Revenue.", unit="cents", minimum=0),
        Column("visitors", "int64", "Visitors; null: not counted.", nullable=True),
    ),
)
WEEKS, MONTHS, QUARTERS = (REVENUE.for_grain(g) for g in (Grain.WEEK, Grain.MONTH, Grain.QUARTER))
CONTRACTS = (ORDERS, TITLES, WEEKS, MONTHS, QUARTERS)
FIRST_DAY = date(2025, 1, 1)
OLD, NEW = "old", "new"


def day_keys(count: int) -> list[str]:
    """Partition keys of the first days of 2025."""
    return [str(FIRST_DAY + timedelta(days=n)) for n in range(count)]


def order(day: str = "2025-01-01", order_id: int = 1, **changes: Any) -> dict[str, Any]:
    """One good row of ORDERS, or with `changes` perhaps a bad one."""
    return {
        "tenant_id": "t",
        "order_date": date.fromisoformat(day),
        "order_id": order_id,
        "price": Decimal("9.90"),
        "paid": Decimal("9.90"),
        "state": "done",
        "weight": 1.5,
        "is_gift": False,
        "phone": "13800000000",
        "note": None,
        "extracted_at": datetime.fromisoformat("2025-02-01"),
        **changes,
    }


def orders(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows of ORDERS as an Arrow table; missing values are let in."""
    return arrow(ORDERS, rows)


def arrow(contract: Contract, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    fields = [field.with_nullable(True) for field in contract.schema.to_pyarrow()]
    return pa.Table.from_pylist(list(rows), pa.schema(fields))


def day_orders(days: Iterable[str], count: int = 3, note: str = OLD) -> pa.Table:
    """`count` good orders on each of the days."""
    return orders(order(day, n + 1, note=note) for day in days for n in range(count))


def revenue(contract: Contract, keys: Iterable[str], cents: int = 100, shops: int = 3) -> pa.Table:
    """`shops` rows of a grain of REVENUE in each of the partitions."""
    periods = [period_from_partition(contract.grain or Grain.WEEK, key) for key in keys]
    return arrow(contract, (_revenue(p, shop, cents) for p in periods for shop in range(shops)))


def _revenue(period: Period, shop: int, cents: int) -> dict[str, Any]:
    return {
        "tenant_id": "t",
        "period_type": period.grain.value,
        "period_key": period.key,
        "period_start": period.start,
        "period_end": period.end,
        "as_of": period.end,
        "is_complete": True,
        "shop_id": shop,
        "revenue": cents,
        "visitors": None if shop else 7,
    }


class Server(Protocol):
    """A database server that holds the warehouses of stores instead of SQLite."""

    def url(self, root: Path) -> sa.URL: ...

    def copy(self, origin: Path, root: Path) -> None: ...


SERVERS: list[Server] = []
"""The last one holds the warehouses; none: SQLite does."""


def warehouse_url(root: Path) -> sa.URL:
    """The warehouse of the store below `root`."""
    if SERVERS:
        return SERVERS[-1].url(root)
    return sa.URL.create("sqlite", database=str(root / "warehouse.sqlite"))


def copied(origin: Path, root: Path) -> Path:
    """A copy of a store that nobody has open."""
    copytree(origin, root)
    if SERVERS:
        SERVERS[-1].copy(origin, root)
    return root


@contextmanager
def opened(root: Path, *contracts: Contract, **more: Any) -> Iterator[Storage]:
    """A store below `root`, closed at the end."""
    url = more.pop("url", None) or warehouse_url(root)
    storage = Storage(contracts or CONTRACTS, root / "lake", url, root / "staging", **more)
    try:
        yield storage
    finally:
        if "warehouse" in vars(storage):
            storage.warehouse.engine.dispose()


def stage(storage: Storage, contract: Contract, table: Any, keys: Sequence[str]) -> Staged:
    """Audit a table (Arrow tables as a lazy one) for the partitions."""
    lazy = ibis.memtable(table) if isinstance(table, pa.Table) else table
    return storage.stager.stage(Result(lazy), contract, keys)


def publish(
    storage: Storage, contract: Contract, table: Any, keys: Sequence[str], step: str = "run"
) -> Staged:
    """Begin, stage and publish in the name of `step`."""
    storage.begin(step, [(contract, keys)])
    staged = stage(storage, contract, table, keys)
    storage.publish(step, staged, provenance(step))
    return staged


def provenance(step: str) -> Provenance:
    return Provenance(run_id=step, write_id=f"{step}/0", fingerprint="1")


def hashes(storage: Storage, contract: Contract, keys: Sequence[str]) -> dict[str, str]:
    """The content hash of what a reader gets of each partition."""
    staged = stage(storage, contract, storage.stream(contract, keys), keys)
    staged.discard()
    return {key: audit.content_hash for key, audit in staged.audits.items()}


def rows_of(storage: Storage, contract: Contract, keys: Sequence[str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = storage.stream(contract, keys).read_all().to_pylist()
    return rows


class Writer:
    """A process that publishes a table and asks before each step on the way.

    `point` is where it waits (`begun`, `staged`, then the store's write points), and at the end
    `done` or the name of the exception.
    """

    def __init__(
        self, root: Path, contract: Contract, table: pa.Table, keys: Sequence[str], step: str
    ) -> None:
        url = warehouse_url(root).render_as_string(hide_password=False)
        self.start(_write, root, url, contract.asset_name, table, list(keys), step)

    def start(self, work: Callable[..., None], *arguments: Any) -> None:
        """Let a process do the work, given the connection on which it asks, and the arguments."""
        self._connection, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=work, args=(theirs, *arguments))
        self._process.start()
        theirs.close()
        self.point: str = self._connection.recv()

    def go(self) -> str:
        """Let it take one step; return where it is then."""
        self._connection.send("go")
        self.point = self._connection.recv()
        return self.point

    def go_until(self, point: str) -> None:
        while self.point != point:
            assert self.go() not in ENDS, self.point

    def let_go(self) -> None:
        """Let it take all further steps without asking."""
        self._connection.send("run")

    def outcome(self) -> str:
        """Wait for its end."""
        while self.point not in ENDS:
            self.point = self._connection.recv()
        self._process.join()
        return self.point

    def kill(self) -> int | None:
        """Kill it where it is and return its exit code."""
        self._signal(signal.SIGKILL)
        self._process.join()
        return self._process.exitcode

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)


ENDS = ("done", "StaleWriterError", "OperationalError", "RuntimeError")
# a server that has imported everything once: its children start at once
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["cs_resources.io_managers", "cs_assets.table_assets"])


def _write(
    connection: Connection,
    root: Path,
    url: str,
    name: str,
    table: pa.Table,
    keys: list[str],
    step: str,
) -> None:
    contract = next(contract for contract in CONTRACTS if contract.asset_name == name)
    lake._BATCH_ROWS = sqlite_dialect._BATCH_ROWS = postgres_dialect._BATCH_ROWS = 2
    ask = asking(connection)
    with opened(root, reached=ask, url=sa.make_url(url)) as storage:
        try:
            storage.begin(step, [(contract, keys)])
            ask("begun")
            staged = stage(storage, contract, table, keys)
            ask("staged")
            storage.publish(step, staged, provenance(step))
        except Exception as error:  # noqa: BLE001  the parent judges
            connection.send(type(error).__name__)
        else:
            connection.send("done")


def asking(connection: Connection) -> Callable[[str], None]:
    answer = "go"

    def ask(point: str) -> None:
        nonlocal answer
        if answer == "go":
            connection.send(point)
            answer = connection.recv()

    return ask
