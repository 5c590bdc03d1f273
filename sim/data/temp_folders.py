"""Private temporary folders that do not outlive their process for long: their names tell whose they are."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path


def make_work_folder(prefix: str, parent: Path | None = None) -> Path:
    """A new folder ``<prefix><process>-…`` in ``parent`` (default: the system's temporary directory).

    Whoever makes it removes it. Those that processes left there when they were killed are removed first.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    clear_stale_folders(prefix, parent)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=parent))


def clear_stale_folders(prefix: str, parent: Path) -> None:
    """Remove our own user's work folders whose process, which their name tells, is gone."""
    for folder in parent.glob(f"{prefix}*-*"):
        pid = folder.name.removeprefix(prefix).partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdecimal() and folder.lstat().st_uid == os.getuid() and not alive(int(pid)):
                shutil.rmtree(folder, ignore_errors=True)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
