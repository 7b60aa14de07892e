"""A folder of the process's own, for staged tables and for what DuckDB spills.

Belongs here: making it, clearing away what killed processes left behind. Must not: knowing what is
written into it.

Two DuckDB processes that spill into one folder write into each other's files and crash.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import mkdtemp

_LOCK = ".lock"


def own_folder(root: Path) -> Path:
    """Return the folder below `root` that is this process's alone until it ends."""
    return _claimed(root, os.getpid())


def clear_abandoned(root: Path) -> None:
    """Delete the folders below `root` of processes that have ended."""
    if root.exists():
        with _locked(root / _LOCK):
            _clear(root)


@cache
def _claimed(root: Path, pid: int) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    # alone, so that a folder is never looked at between its making and its locking
    with _locked(root / _LOCK):
        _clear(root)
        folder = Path(mkdtemp(prefix=f"{pid}-", dir=root))
        # kept open, and so locked, until the process ends, however it ends
        fcntl.flock(os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR), fcntl.LOCK_EX)
    # at the end of a child process of multiprocessing, too, and only of the one that made it
    Finalize(None, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=0)
    return folder


def _clear(root: Path) -> None:
    for left in root.iterdir():
        if _is_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        with (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, NotADirectoryError, BlockingIOError):
        return False  # nothing of ours, or somebody's who lives
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
