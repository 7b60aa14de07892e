"""People's verdicts: from landed rows of text to one verdict per reviewer, call and kind.

Belongs here: what a row of a verdict file may say. Must not: reading files, counting verdicts
against rules or model (see `audit`).

Every row gets exactly one fate: a verdict, superseded by a later one of the same reviewer, or
quarantined with the first rule it breaks.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from cs_assets.calls.audit_contracts import (
    CALL_VERDICTS,
    CALL_VERDICTS_QUARANTINE,
    NO,
    VERDICT_REASONS,
    YES,
)
from cs_assets.calls.keywords import KINDS

REQUIRED = ("call_date", "callid", "kind", "verdict", "reviewer", "reviewed_at")
OPTIONAL = ("note",)
_SAID = {"yes": YES, "是": YES, "no": NO, "否": NO}
_DAYS = ("%Y-%m-%d", "%Y/%m/%d")
_TIMES = ("", " %H:%M", " %H:%M:%S")
_PLACE = ["source_file", "row_number"]


def judge(landed: pd.DataFrame) -> pd.DataFrame:
    """Return landed rows typed as `call_verdicts`, with `reason` and `is_superseded`.

    `landed` has the columns of `landed_schema`. `reason` is null for a row that keeps every rule.
    Of the verdicts of one reviewer on a call and kind the one reviewed last stands, then that of
    the last file and row.
    """
    text = landed[[*REQUIRED, *OPTIONAL]].apply(_stripped)
    rows = landed[["tenant_id", "source_file", "file_hash", "row_number", "problem"]].assign(
        call_date=_instants(text["call_date"], _DAYS),
        callid=text["callid"],
        kind=text["kind"].str.lower(),
        verdict=text["verdict"].str.lower().map(_SAID),
        reviewer=text["reviewer"],
        reviewed_at=_instants(
            text["reviewed_at"].str.replace("T", " "),
            [day + time for day in _DAYS for time in _TIMES],
        ),
        note=text["note"],
    )
    rows["reason"] = _reason(rows)
    ordered = rows.sort_values(["reviewed_at", *_PLACE])
    good = ordered[ordered["reason"].isna()]
    superseded = good.duplicated(subset=list(CALL_VERDICTS.key), keep="last")
    return rows.assign(is_superseded=superseded.reindex(rows.index, fill_value=False))


def verdicts(judged: pd.DataFrame) -> pd.DataFrame:
    """Return the verdicts that stand, in the columns of `call_verdicts`."""
    kept = judged[judged["reason"].isna() & ~judged["is_superseded"]]
    return kept.assign(call_date=kept["call_date"].dt.date)[list(CALL_VERDICTS.column_names)]


def quarantine(judged: pd.DataFrame, landed: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that break a rule in the columns of `call_verdicts_quarantine`.

    `record` holds the row as landed; of one that could not be split, the list of its values.
    """
    bad = judged[judged["reason"].notna()]
    return pd.DataFrame(
        {
            "tenant_id": bad["tenant_id"],
            "source_table": bad["source_file"],
            "record_id": bad["row_number"].astype(str),
            "reason": bad["reason"],
            "is_retryable": pd.Series(False, index=bad.index, dtype=bool),
            "record": pd.Series(_records(landed.loc[bad.index]), index=bad.index, dtype=str),
        }
    )[list(CALL_VERDICTS_QUARANTINE.column_names)]


def account(judged: pd.DataFrame) -> dict[str, int]:
    """Count rows read, verdicts loaded, those superseded and those quarantined, each by reason."""
    bad = judged["reason"].value_counts()
    quarantined, superseded = int(bad.sum()), int(judged["is_superseded"].sum())
    return {
        "read": len(judged),
        "loaded": len(judged) - quarantined - superseded,
        "duplicates": superseded,
        "quarantined": quarantined,
        **{reason.code: int(bad.get(reason.code, 0)) for reason in VERDICT_REASONS},
    }


def _stripped(column: pd.Series) -> pd.Series:
    text = column.astype("str").str.strip()
    return text.where(text != "")


def _instants(text: pd.Series, formats: Sequence[str]) -> pd.Series:
    found = pd.Series(pd.NaT, index=text.index, dtype="datetime64[us]")
    for form in formats:
        found = found.fillna(pd.to_datetime(text, format=form, errors="coerce").dt.as_unit("us"))
    return found


def _reason(rows: pd.DataFrame) -> pd.Series:
    broken: Mapping[str, pd.Series] = {
        "unreadable_row": rows["problem"].notna(),
        "no_callid": rows["callid"].isna(),
        "bad_call_date": rows["call_date"].isna(),
        "bad_kind": ~rows["kind"].isin(KINDS),
        "bad_verdict": rows["verdict"].isna(),
        "no_reviewer": rows["reviewer"].isna(),
        "bad_reviewed_at": rows["reviewed_at"].isna(),
        "reviewed_before_the_call": rows["reviewed_at"] < rows["call_date"],
    }
    first = np.select(list(broken.values()), list(broken), default="")
    reason = pd.Series(first, index=rows.index, dtype="str")
    return reason.where(reason != "")


def _records(rows: pd.DataFrame) -> list[str]:
    names = [*REQUIRED, *OPTIONAL]
    return [
        row["cells"]
        if isinstance(row["cells"], str)
        else json.dumps(
            {name: row[name] if isinstance(row[name], str) else None for name in names},
            ensure_ascii=False,
        )
        for row in rows.to_dict("records")
    ]
