"""The scenarios that come with Tenfold: ``scenarios/`` of a clone, or the copy inside an installed package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PLACES = (Path(__file__).parents[2] / "scenarios", Path(__file__).parents[1] / "scenarios")
"""A clone's folder; then the package ``sim.scenarios``, which the build fills from that same folder."""


def shipped_folder() -> Path:
    """Raises FileNotFoundError in an installation that lost its data files."""
    folder = next((place for place in PLACES if (place / "tenfold.schema.json").is_file()), None)
    if folder is None:
        raise FileNotFoundError("the scenarios that come with Tenfold are missing from this installation; install it again")
    return folder


def shipped_names() -> Iterator[str]:
    """Names such as ``launch`` or ``chaos/provider_blackout``, in order."""
    folder = shipped_folder()
    yield from sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def find_shipped(name: str) -> Path | None:
    """The file of a shipped scenario by its name, with or without its folder; None if there is no such one, or several."""
    try:
        known = list(shipped_names())
    except FileNotFoundError:
        return None
    found = [each for each in known if each == name] or [each for each in known if each.rpartition("/")[2] == name]
    return shipped_folder() / f"{found[0]}.yaml" if len(found) == 1 else None
