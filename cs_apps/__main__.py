"""`python -m cs_apps` is the `cs` command.

Belongs here: nothing else.
"""

from cs_apps.cli import app

app()
