"""What was known when: restatements of a lake table, and its version at an instant.

Belongs here: reading commits back. Must not: writing them, reading rows.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cs_resources.delta_log import DeltaLog
from cs_resources.errors import RemovedVersionError
from cs_resources.writing import Restatement

RESTATED, PARTITIONS = "restated", "partitions"
"""Names under which a commit tells which partitions changed, and what it published."""


def restated(
    log: DeltaLog, version: int, changed: Collection[str], new: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what the commit that replaces the `changed` partitions says about them.

    `version` is the table's version that it replaces; `new` maps partitions to their rows and
    content hash.
    """
    missing = set(changed)
    old: dict[str, Mapping[str, Any]] = {}
    commits = log.commits(version)
    while missing and (commit := next(commits, None)):
        published = commit.detail(PARTITIONS)
        old |= {key: published[key] for key in missing & published.keys()}
        missing -= published.keys()
    return {
        key: {
            "old_hash": old.get(key, {}).get("content_hash"),
            "new_hash": new[key]["content_hash"],
            "old_rows": old.get(key, {}).get("rows"),
            "new_rows": new[key]["rows"],
        }
        for key in sorted(changed)
    }


def restatements(log: DeltaLog, since: datetime | None, name: str) -> list[Restatement]:
    """Return the restatements committed at or after `since`, oldest first.

    None asks for all that the log still holds. Raises RemovedVersionError when it no longer holds
    everything since then.
    """
    found: list[Restatement] = []
    for commit in _since(log, since, name):
        run_id = commit.info.get("run_id", "")
        facts = commit.detail(RESTATED)
        found += [
            Restatement(
                asset=name,
                partition=key,
                restated_at=commit.at,
                run_id=run_id,
                old_version=None,
                new_version=commit.version,
                **fact,
            )
            for key, fact in sorted(facts.items(), reverse=True)
        ]
    return found[::-1]


def version_at(log: DeltaLog, instant: datetime, name: str) -> int | None:
    """Return the newest version committed at or before an instant; None: there was no table yet.

    Where clocks of writers differ, a commit counts as made at the latest when a later one was.
    Raises RemovedVersionError when maintenance has removed the commits of that time.
    """
    _require_zone(instant)
    oldest = None
    for commit in log.commits():
        if commit.at <= instant:
            if commit.version < log.first:
                break
            return commit.version
        oldest = commit
    if oldest is not None and oldest.version == 0:
        return None
    raise _removed(name, instant, log)


def removed_text(name: str, instant: datetime) -> str:
    """Say that what was published at an instant is gone, and which settings keep it longer."""
    return (
        f"{name}: what was published at {instant.isoformat()} was removed by maintenance; replaced "
        "files are kept for LAKE_RETENTION_DAYS, commits for LAKE_LOG_DAYS. Raise them to keep "
        "more from now on, or restore the lake from a backup of that time."
    )


def _since(log: DeltaLog, since: datetime | None, name: str) -> Iterator[Any]:
    if since is not None:
        _require_zone(since)
    oldest = None
    for commit in log.commits():
        oldest = commit.version
        if since is not None and commit.at < since:
            return
        yield commit
    if since is not None and oldest != 0:
        raise _removed(name, since, log)


def _removed(name: str, instant: datetime, log: DeltaLog) -> RemovedVersionError:
    kept = min((commit.at for commit in log.commits()), default=None)
    start = f" The log begins at {kept.isoformat()}." if kept else ""
    return RemovedVersionError(removed_text(name, instant.astimezone(UTC)) + start)


def _require_zone(instant: datetime) -> None:
    if instant.tzinfo is None:
        raise ValueError(f"{instant}: an instant needs a time zone, e.g. datetime.now(UTC)")
