"""The health system as it runs on two months of five customers."""

from datetime import date
from pathlib import Path
from shutil import copytree
from typing import Any

from cs_apps.sample_data.health import write_health_files
from cs_assets.health.marts import MARTS
from tests.calls.cases import Installation

FIRST, LAST = date(2025, 11, 1), date(2025, 12, 31)
CUSTOMERS = 5
FILES = "customers_raw,sales_raw,support_raw,activity_raw"
MONTHS = ",".join(c.name for c in MARTS if c.name.endswith("_month"))
EVERYTHING = f"{FILES},risk_signals,{MONTHS}"
OF_DAYS = (
    "risk_alerts_month",
    "health_trend_month",
    "forecast_accuracy_month",
    "customer_success_report_month",
)
SCORES = ",".join(name for name in MONTHS.split(",") if name not in OF_DAYS)


class Home(Installation):
    """Two months of five customers; or the copy of another home."""

    def __init__(self, home: Path, copy_of: "Home | None" = None, **settings: Any) -> None:
        # a warehouse on a server is not copied: its home is made anew
        is_copied = copy_of and copy_of.settings.warehouse.get_backend_name() == "sqlite"
        if copy_of and is_copied:
            copytree(copy_of.settings.cs_home, home, symlinks=True)
        super().__init__(home, FIRST, LAST, **settings)
        self.landing = home / "landing"
        if not is_copied:
            write_health_files(
                self.landing, customers=CUSTOMERS, months=2, end=LAST, with_defects=False
            )
        if copy_of and not is_copied:
            self.load(EVERYTHING)

    def load(self, select: str, first: date = FIRST, last: date = LAST) -> None:
        assert self.run(select, first, last) == ""
