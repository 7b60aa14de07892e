"""`make migration`: write the migration from the warehouse of WAREHOUSE_URL to the contracts.

Belongs here: the developer's command. Must not: changing a warehouse.
"""

import sys

from cs_assets.definitions import TABLES
from cs_resources.settings import load_settings
from cs_resources.storage import migrator_of


def main() -> None:
    """Write the migration; its name comes from the message, the first argument."""
    message = sys.argv[1] if len(sys.argv) == 2 else ""
    if not message.strip():
        sys.exit('make migration MESSAGE="what changes, in a few words"')
    migrator_of(load_settings(), TABLES).autogenerate(message)


if __name__ == "__main__":
    main()
