"""`cs demo`: an installation of its own, filled with sample data, from nothing to portraits.

Belongs here: the sample's settings and the guard that keeps it away from real data. Must not:
anything a real installation needs.
"""

from collections.abc import Callable
from pathlib import Path

from cs_apps.home import prepare_home
from cs_apps.sample_data.calls import DEFAULT_END, SampleSummary, write_call_source
from cs_apps.sample_data.health import (
    DEFAULT_CUSTOMERS,
    DEFAULT_MONTHS,
    HealthSummary,
    write_health_files,
)
from cs_apps.sample_data.health_plan import SamplePeriod
from cs_resources.errors import ConfigurationError
from cs_resources.settings import HOME_SETTINGS, Settings, load_settings

PERIOD = SamplePeriod.ending(DEFAULT_END, DEFAULT_MONTHS)
FIRST_DAY, LAST_DAY = PERIOD.start, PERIOD.end
SAMPLED = ("calls", "sources", "health")
"""The systems for which there are samples."""
_MARK = "# Written by `cs demo`"


def demo_settings() -> Settings:
    """Return settings for the sample; raises ConfigurationError in a home with real data."""
    settings = load_settings()
    given = [
        name
        for name in ("call_source_url", "warehouse_url")
        if getattr(settings, name).get_secret_value()
    ]
    given += [name for name in ("source_db_host", "portrait_db_host") if getattr(settings, name)]
    given += [
        name for name in ("lake_url", "landing_url", "reports_url") if getattr(settings, name)
    ]
    marker = settings.cs_home / HOME_SETTINGS
    is_own = _is_own(marker)
    if given or (marker.exists() and not is_own) or (settings.lake_root.exists() and not is_own):
        found = f"a {HOME_SETTINGS} of your own" if marker.exists() and not is_own else "data"
        reason = ", ".join(name.upper() for name in given) or f"{found} in {settings.cs_home}"
        raise ConfigurationError(
            f"`cs demo` fills an installation of its own with sample data, but there is {reason}. "
            "Give it another home: `CS_HOME=.demo cs demo` in a folder without .env."
        )
    prepare_home(settings)
    marker.write_text(
        f"{_MARK}: the sample's history. Environment and .env come before it.\n"
        f"CS_HISTORY_START={FIRST_DAY}\nCS_HISTORY_END={LAST_DAY}\n",
        encoding="utf-8",
    )
    return load_settings()


def _is_own(marker: Path) -> bool:
    return marker.is_file() and marker.read_text(encoding="utf-8").startswith(_MARK)


def local_landing(settings: Settings) -> Path:
    """Return the landing folder; raises ConfigurationError unless it is on this machine."""
    if "://" in settings.landing:
        raise ConfigurationError(
            f"LANDING_URL: samples are written to a local folder, not to {settings.landing}. "
            "Give them another home: `CS_HOME=.demo` and no LANDING_URL."
        )
    return Path(settings.landing).expanduser()


def write_samples(
    settings: Settings,
    scale: float = 1.0,
    layout: str = "monthly",
    period: SamplePeriod | None = None,
    with_defects: bool = True,
) -> SampleSummary:
    """Write the sample call database to the home's landing folder, replacing an older one."""
    period = period or SamplePeriod(FIRST_DAY, LAST_DAY)
    settings.sample_call_source.parent.mkdir(parents=True, exist_ok=True)
    return write_call_source(
        settings.sample_call_source,
        start=period.start,
        end=period.end,
        scale=scale,
        layout="single" if layout == "single" else "monthly",
        with_defects=with_defects,
    )


def write_health_samples(
    folder: Path,
    period: SamplePeriod = PERIOD,
    customers: int = DEFAULT_CUSTOMERS,
    with_defects: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> HealthSummary:
    """Write the landed files of customers, deals, tickets and activity, replacing older samples.

    Raises ConfigurationError if the folder holds such files that the sample did not write.
    """
    return write_health_files(
        folder,
        customers=customers,
        months=period.months,
        end=period.end,
        with_defects=with_defects,
        progress=progress,
    )
