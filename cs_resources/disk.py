"""Full disks, named: which folder, and what to do.

Belongs here: telling a full disk from other failures. Must not: handling those.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cs_resources.errors import DiskFullError

_SIGNS = ("No space left on device", "Disk quota exceeded", "os error 28", "os error 122")


@contextmanager
def room_in(folder: Path, name: str) -> Iterator[None]:
    """Turn a failure for want of space in a folder into a DiskFullError about the table `name`.

    Libraries report a full disk as an error of their own kind with the system's words in it.
    """
    try:
        yield
    except Exception as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        if full or any(sign in str(error) for sign in _SIGNS):
            raise DiskFullError(
                f"{name}: no space is left in {folder}. What was published before stands. Free "
                "some space (`cs maintain` removes what the lake no longer needs), then run again."
            ) from error
        raise
