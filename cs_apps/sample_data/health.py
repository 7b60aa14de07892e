"""Sample of the landed health sources: customers, deals, support tickets and activity as CSV.

Belongs here: the public function and what it reports.
Must not: plan, rows, defects and files, each in its own `health_*` module.

The same arguments give the same bytes. A customer's rows do not depend on how many customers there
are; they do depend on the period, since each customer lives through a story that ends with it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa

from cs_apps.sample_data.calls import DEFAULT_END, DEFAULT_SEED
from cs_apps.sample_data.health_activity import SLOTS, activity_rows
from cs_apps.sample_data.health_customers import customer_rows, deal_rows
from cs_apps.sample_data.health_defects import Defect, planted
from cs_apps.sample_data.health_files import SourceFiles, replacing
from cs_apps.sample_data.health_plan import Block, SamplePeriod, blocks
from cs_apps.sample_data.health_stories import load_book
from cs_apps.sample_data.health_support import ticket_rows
from cs_assets.sources.files import LANDED

DEFAULT_CUSTOMERS: Final = 30
DEFAULT_MONTHS: Final = 6
PART_ROWS: Final = 10_000_000
"""A source that may hold more rows lands as a folder of parts, each below the size limit."""

_ROWS: Final[dict[str, Callable[[Block], pa.RecordBatch]]] = {
    "customers": customer_rows,
    "sales": deal_rows,
    "support": ticket_rows,
    "activity": activity_rows,
}

COLUMNS: Final = {name: source.required for name, source in LANDED.items()}
"""Header of each source's file."""


@dataclass(frozen=True)
class HealthSummary:
    """What was written: files, rows by source (defects included) and customers by story.

    `largest_batch` is the most rows that were held at a time.
    """

    files: tuple[Path, ...]
    rows: Mapping[str, int]
    stories: Mapping[str, int]
    defects: tuple[Defect, ...]
    largest_batch: int


def write_health_files(
    folder: Path,
    *,
    customers: int = DEFAULT_CUSTOMERS,
    months: int = DEFAULT_MONTHS,
    end: date = DEFAULT_END,
    seed: int = DEFAULT_SEED,
    with_defects: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> HealthSummary:
    """Write `customers.csv`, `sales.csv`, `support.csv` and `activity.csv` into a landing folder.

    They cover the `months` whole months that end with `end`. Memory does not grow with the number
    of customers; a source of more than some ten million rows becomes a folder of parts.
    `progress(done, total)` is told the customers done. Raises ValueError for an `end` within a
    month or a number below 1, ConfigurationError if the folder holds such files that are no sample.
    """
    if customers < 1 or seed < 0:
        raise ValueError("customers must be at least 1, seed not negative")
    period = SamplePeriod.ending(end, months)
    defects = planted(period) if with_defects else ()
    stories: Counter[str] = Counter()
    names = tuple(load_book().stories)
    with replacing(folder, COLUMNS, _parts(customers, period)) as sources:
        done = 0
        for block in blocks(seed, period, customers):
            for source, rows in _ROWS.items():
                sources[source].write(rows(block).select(list(COLUMNS[source])))
            stories.update(names[at] for at in block.stories[: block.size].tolist())
            done += block.size
            if progress is not None:
                progress(done, customers)
        for defect in defects:
            sources[defect.source].append([defect.row])
    return _summary(folder, sources, stories, defects)


def _parts(customers: int, period: SamplePeriod) -> dict[str, int | None]:
    """Return the rows of a part for each source; None: one file. Customers are one snapshot."""
    deals = max(len(story.deals) for story in load_book().stories.values())
    most = {
        "customers": 0,
        "sales": customers * deals,
        "support": customers * period.months,
        "activity": customers * len(period.days) * SLOTS,
    }
    return {source: PART_ROWS if rows > PART_ROWS else None for source, rows in most.items()}


def _summary(
    folder: Path,
    sources: Mapping[str, SourceFiles],
    stories: Mapping[str, int],
    defects: tuple[Defect, ...],
) -> HealthSummary:
    return HealthSummary(
        files=tuple(folder / name for files in sources.values() for name in files.drafts),
        rows={source: files.rows for source, files in sources.items()},
        stories=dict(stories),
        defects=defects,
        largest_batch=max(files.largest_batch for files in sources.values()),
    )
