"""`cs demo`: an installation of its own, filled with sample data, from nothing to portraits.

Belongs here: the sample's settings and the guard that keeps it away from real data. Must not:
anything a real installation needs.
"""

from datetime import date
from pathlib import Path

from cs_apps.home import prepare_home
from cs_apps.sample_data.calls import SampleSummary, write_call_source
from cs_resources.errors import ConfigurationError
from cs_resources.settings import HOME_SETTINGS, Settings, load_settings

FIRST_DAY, LAST_DAY = date(2025, 7, 1), date(2025, 12, 31)
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
    given += ["lake_url"] if settings.lake_url else []
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


def write_samples(settings: Settings, scale: float = 1.0, layout: str = "monthly") -> SampleSummary:
    """Write the sample call database to the home's landing folder, replacing an older one."""
    settings.sample_call_source.parent.mkdir(parents=True, exist_ok=True)
    return write_call_source(
        settings.sample_call_source,
        start=FIRST_DAY,
        end=LAST_DAY,
        scale=scale,
        layout="single" if layout == "single" else "monthly",
    )
