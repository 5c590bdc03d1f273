"""Where a result comes from: versions, commit, command line, host. No secrets, no environment, no name of the host or its user."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("tenfold", "numpy", "simpy", "numba", "scipy", "pyarrow", "aiohttp", "locust", "genai-prices")
HIDDEN = "***"
SECRET_NAME = re.compile(r"(?i)(key|token|secret|passw|auth|credential|cookie)")
SECRET_VALUE = re.compile(r"(?i)\b(?:sk|pk|rk|xox[a-z]|gh[a-z]|glpat|hf|eyJ)[-_A-Za-z0-9.]{8,}")
CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")


def versions() -> dict[str, str]:
    """Of Python and of the packages that a result depends on, as installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> dict[str, Any] | None:
    """The git commit of the checkout this code runs from, and whether it was changed since; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        sha = git(root, "rev-parse", "HEAD").strip()
        return {"sha": sha, "changed": bool(git(root, "status", "--porcelain", "--untracked-files=no").strip())}
    except (OSError, subprocess.SubprocessError):
        return None


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10).stdout


def host() -> dict[str, Any]:
    """What of the machine bears on timings."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": memory_bytes(),
    }


def memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def command_line(argv: Sequence[str] | None = None) -> list[str]:
    """The command line with what looks like a secret blotted out, its program by its name alone."""
    given = list(sys.argv if argv is None else argv)
    shown = [Path(given[0]).name] if given else []
    hide_next = False
    for argument in given[1:]:
        name, equals, _ = argument.partition("=")
        if hide_next:
            shown.append(HIDDEN)
            hide_next = False
        elif equals and SECRET_NAME.search(name.rpartition(".")[2]):
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(CREDENTIALS_IN_URL.sub(f"{HIDDEN}@", SECRET_VALUE.sub(HIDDEN, argument)))
            hide_next = argument.startswith("--") and not equals and bool(SECRET_NAME.search(argument))
    return shown
