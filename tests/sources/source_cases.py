"""Landed files and installations that the tests of the landed facts are built from."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from cs_apps.stale import recipes_of
from cs_assets.definitions import build_definitions
from cs_resources.landed_sources import LandedSources
from cs_resources.staleness import Stale, stale_partitions
from tests.calls.cases import Installation

FIRST, LAST = date(2025, 11, 24), date(2025, 11, 28)
TODAY = datetime(2025, 12, 1, 2, 0, tzinfo=UTC)  # 10:00 in Shanghai
SOURCES = "customers_raw,sales_raw,support_raw,activity_raw"
HEADERS = {
    "customers": "customer_id,name,industry,company_size,customer_type,contract_date,"
    "contract_length_months,payment_status,nps_score",
    "sales": "customer_id,deal_date,deal_amount,deal_stage,account_manager,product_type,"
    "contract_length,renewal_date",
    "support": "ticket_id,customer_id,created_date,resolved_date,priority,category,"
    "satisfaction_score,agent_id,resolution_time",
    "activity": "customer_id,date,activity_type,activity_value,user_count,session_duration,"
    "feature_name,usage_depth",
}
CUSTOMER = "c1,甲公司,software,50,startup,2025-01-01,12,current,40"
OTHER_CUSTOMER = "c2,乙公司,retail,500,enterprise,2024-06-01,24,late,"
DEAL = "c1,2025-11-24,1200.50,won,li,basic,12,2026-11-24"
TICKET = "t1,c1,2025-11-24,2025-11-25,high,login,5,a1,20.5"
ACTIVITY = "c1,2025-11-24,feature_use,1,3,12.5,reports,0.5"
Row = dict[str, Any]


def lines(source: str, *rows: str) -> str:
    """The text of a file."""
    return "".join(f"{line}\n" for line in (HEADERS[source], *rows))


class House(Installation):
    """An installation of five days whose clock can be set."""

    def __init__(self, home: Path, **settings: Any) -> None:
        super().__init__(home, FIRST, LAST, **settings)
        self.now = TODAY
        self.landing = home / "landing"
        self.definitions = build_definitions(
            self.settings, self.storage, self.database, lambda: self.now
        )

    @property
    def landed(self) -> LandedSources:
        """The sources of its landing folder."""
        found: LandedSources = self.definitions.resources["landed"]  # type: ignore[index]
        return found

    def land(self, name: str, content: str | bytes) -> Path:
        """Write a file into the landing folder, packed if its name says so."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    def land_all(self) -> None:
        """Land a file of every source."""
        self.land("customers.csv", lines("customers", CUSTOMER, OTHER_CUSTOMER))
        self.land("sales.csv", lines("sales", DEAL))
        self.land("support.csv", lines("support", TICKET))
        self.land("activity.csv", lines("activity", ACTIVITY))

    def load(self, select: str = SOURCES, first: date = FIRST, last: date = LAST) -> str:
        """Make landed facts; return the problems."""
        return self.run(select, first, last)

    def table(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """Columns of the published rows of an asset, in order."""
        return sorted(
            (tuple(row[column] for column in columns) for row in self.rows(name)), key=repr
        )


def reasons(house: House, source: str) -> list[tuple[str, str]]:
    """Days and reasons of what is in a quarantine."""
    day = {"customers": "snapshot_date", "sales": "deal_date", "support": "created_date"}
    found = house.table(f"{source}_quarantine", day.get(source, "activity_date"), "reason")
    return [(str(on), why) for on, why in found]


def staleness_of(house: House) -> tuple[Stale, ...]:
    """What is published and stale."""
    recipes = recipes_of(house.definitions, house.storage)
    return tuple(stale_partitions(house.storage, recipes, house.settings.calendar))
