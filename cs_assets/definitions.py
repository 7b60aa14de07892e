"""The table of contents: every asset, resource and job of the platform.

Belongs here: putting the parts together. Builds with no secret and no server. Must not: anything
else.
"""

import dagster as dg

from cs_assets.calls import contracts as calls_facts
from cs_assets.calls import mart_contracts as calls_marts
from cs_assets.calls.assets import calls_assets
from cs_assets.contracts import Place
from cs_resources.call_database import CallDatabase
from cs_resources.io_managers import StorageIOManager
from cs_resources.settings import Settings, load_settings
from cs_resources.storage import Storage, storage_of

CONTRACTS = (*calls_facts.FACTS, *calls_marts.MARTS)
SYSTEMS = ("calls",)


def build_definitions(
    settings: Settings, storage: Storage | None = None, call_database: CallDatabase | None = None
) -> dg.Definitions:
    """Return the definitions of an installation; tests pass their own storage or source."""
    storage = storage or storage_of(settings, CONTRACTS)
    return dg.Definitions(
        assets=calls_assets(settings.calendar),
        resources={
            "storage": storage,
            Place.LAKE.value: StorageIOManager(storage, Place.LAKE),
            Place.WAREHOUSE.value: StorageIOManager(storage, Place.WAREHOUSE),
            "call_database": call_database or call_database_of(settings),
        },
        executor=dg.in_process_executor,
    )


def call_database_of(settings: Settings) -> CallDatabase:
    """Return the call database that the settings name."""
    return CallDatabase(
        url=settings.call_source,
        history_start=settings.cs_history_start,
        tenant_id=settings.cs_tenant,
        layout=settings.call_source_layout,
        suffix=settings.call_source_table_suffix,
        lookback_months=settings.call_source_lookback_months,
        names=settings.call_source_names,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the installation that the environment describes."""
    return build_definitions(load_settings())
