"""Lakes that need care, and taking it, for the tests of the lake."""

from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable, write_deltalake
from storage_cases import (
    ORDERS,
    day_keys,
    day_orders,
    hashes,
    publish,
)

from cs_assets.contracts import Contract
from cs_resources.lake_maintenance import Report, Retention, maintain
from cs_resources.storage import Storage

DAYS = day_keys(3)
DAY = DAYS[0]
RETENTION = Retention(files=timedelta(days=30), log=timedelta(days=1000))
NOW = datetime.now(UTC)
LATER, MUCH_LATER = NOW + timedelta(days=32), NOW + timedelta(days=1002)


def scatter(storage: Storage, contract: Contract, key: str) -> None:
    """Spread a partition over three files, as other engines may write it."""
    rows = storage.lake.read(contract, [key]).to_pyarrow()
    table = DeltaTable(storage.lake.uri(contract))
    chosen = f"{contract.partition_column} = '{contract.partition_value(key)}'"
    write_deltalake(table, rows.slice(0, 0), mode="overwrite", predicate=chosen)
    third = -(-rows.num_rows // 3)
    for start in range(0, rows.num_rows, third):
        write_deltalake(table, rows.slice(start, third), mode="append")


def files(storage: Storage, contract: Contract = ORDERS) -> int:
    return len(DeltaTable(storage.lake.uri(contract)).file_uris())


def on_disk(storage: Storage, contract: Contract = ORDERS) -> int:
    paths = storage.lake.uri(contract).rglob("*")
    return sum(path.is_file() and "_delta_log" not in path.parts for path in paths)


def care(storage: Storage, now: datetime = NOW, contract: Contract = ORDERS) -> Report:
    report = maintain(storage.lake, contract, RETENTION, now)
    assert report is not None
    return report


def grown(storage: Storage, versions: int = 12) -> dict[str, str]:
    """Publish the days again and again, scatter one; return the hashes."""
    for n in range(versions):
        publish(storage, ORDERS, day_orders(DAYS, n + 3, f"run {n}"), DAYS, f"run {n}")
    scatter(storage, ORDERS, DAY)
    return hashes(storage, ORDERS, DAYS)


def committed_at(storage: Storage, contract: Contract = ORDERS) -> datetime:
    log = storage.lake.log(contract)
    assert log is not None
    return next(log.commits()).at
