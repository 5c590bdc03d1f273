"""Finished evaluations in a folder, one small file each, so that a search that was cut short goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sim.results.provenance import command_line, commit, host, versions
from sim.scenario.load import Loaded

FOLDER = "configurations"
FORMAT = 1


class NotOurs(ValueError):
    """A directory that holds something else. The message names it and says what."""


class Kept:
    """Evaluations by what they are of. ``folder`` None: keeps them in memory only."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / FOLDER
        self.found: dict[str, dict[str, Any]] = {}

    def get(self, key: str, figures: Sequence[str]) -> dict[str, Any] | None:
        """None where there is none, or where it lacks one of the figures, or is damaged."""
        document = self.found.get(key) or self.read(key)
        return document if document is not None and set(figures) <= set(document["figures"]) else None

    def put(self, key: str, document: dict[str, Any]) -> None:
        """Whole or not at all."""
        self.found[key] = document
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / f"{key}.json", json.dumps({"format": FORMAT, "tenfold": tenfold(), "evaluation": document}))

    def read(self, key: str) -> dict[str, Any] | None:
        if self.folder is None:
            return None
        try:
            held = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
            if (held["format"], held["tenfold"]) != (FORMAT, tenfold()):
                return None
            document: dict[str, Any] = held["evaluation"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        self.found[key] = document
        return document


def key_of(loaded: Loaded, scale: float, seed: int, replications: int, engine: str) -> str:
    """Names an evaluation by everything that its figures depend on, and a file by it."""
    return f"{loaded.sha256[:20]}-{scale:.6g}x-{seed}-{replications}-{engine}"


@cache
def tenfold() -> str:
    """The version that computes: its commit where it runs from a checkout."""
    known = commit()
    if known is not None:
        return str(known["sha"]) + ("-changed" if known["changed"] else "")
    try:
        return version("tenfold")
    except PackageNotFoundError:
        return ""


def write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def open_folder(folder: Path, kind: str, base: Loaded) -> None:
    """Begin, or go on with, what ``kind`` (sweep, plan) of scenario ``base`` keeps there. Raises NotOurs, OSError."""
    manifest = folder / "manifest.json"
    if folder.exists() and any(folder.iterdir()):
        try:
            held = json.loads(manifest.read_text(encoding="utf-8"))
            found, sha256 = held["kind"], held["scenario_sha256"]
        except (OSError, ValueError, KeyError, TypeError):
            raise NotOurs(f"{folder} exists already and holds no {kind}; give a new directory, or remove it first") from None
        if found != kind:
            raise NotOurs(f"{folder} holds a {found}, not a {kind}; give a new directory")
        if sha256 != base.sha256:
            raise NotOurs(
                f"{folder} holds a {kind} of another scenario ({sha256[:12]}, this one is {base.sha256[:12]}); give a new directory"
            )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scenario.yaml").write_text(base.yaml_text, encoding="utf-8")
    about = {
        "format": FORMAT,
        "kind": kind,
        "scenario": base.scenario.name,
        "scenario_sha256": base.sha256,
        "argv": command_line(),
        "versions": versions(),
        "commit": commit(),
        "host": host(),
    }
    write_whole(manifest, json.dumps(about, indent=1))
