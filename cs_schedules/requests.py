"""Run requests over ranges of partitions.

Belongs here: turning days and periods into requests. Must not: deciding which.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import dagster as dg
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from cs_assets.calendar import Period
from cs_schedules.timing import contiguous, contiguous_periods

REASON_TAG = "cs/reason"


def day_requests(
    days: Iterable[date], key: str, reason: str, job_name: str | None = None
) -> Iterator[dg.RunRequest]:
    """Request one run per unbroken range of days; equal keys are requested once."""
    for first, last in contiguous(days):
        yield range_request(str(first), str(last), key, reason, job_name)


def period_requests(
    periods: list[Period], key: str, reason: str, job_name: str | None = None
) -> Iterator[dg.RunRequest]:
    """Request one run per unbroken range of periods of one grain."""
    for first, last in contiguous_periods(periods):
        yield range_request(first.partition_key, last.partition_key, key, reason, job_name)


def range_request(
    first: str,
    last: str,
    key: str,
    reason: str,
    job_name: str | None = None,
    assets: Sequence[dg.AssetKey] | None = None,
) -> dg.RunRequest:
    """Request one run of a job, or of some of its assets, over the partitions `first` to `last`."""
    return dg.RunRequest(
        run_key=f"{key}/{first}/{last}",
        job_name=job_name,
        asset_selection=assets,
        tags={
            ASSET_PARTITION_RANGE_START_TAG: first,
            ASSET_PARTITION_RANGE_END_TAG: last,
            REASON_TAG: reason,
        },
    )
