"""The days that people name with --from and --to.

Belongs here: from words to days of an installation's history. Must not: what is done with them.
"""

from datetime import date

from cs_apps.backfill import last_day
from cs_assets.calendar import parse_date_or_period
from cs_resources.errors import PlatformError
from cs_resources.settings import Settings


def span(first: str, last: str, settings: Settings) -> tuple[date, date]:
    """Turn --from and --to into days; periods are cut to the history that there is so far.

    Raises PlatformError naming the option.
    """
    start, end = settings.cs_history_start, last_day(settings.calendar) or date.max
    days = []
    for option, text, side in (("--from", first, 0), ("--to", last, 1)):
        try:
            spanned = parse_date_or_period(text)
        except ValueError as error:
            raise PlatformError(f"{option}: {error}") from None
        is_cut = spanned[0] != spanned[1] and spanned[0] <= end and spanned[1] >= start
        days.append(
            (max(spanned[0], start), min(spanned[1], end))[side] if is_cut else spanned[side]
        )
    if days[0] > days[1]:
        raise PlatformError(f"--from ({days[0]}) lies after --to ({days[1]})")
    return days[0], days[1]
