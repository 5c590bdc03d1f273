"""The scenarios that come with Tenfold: ``scenarios/`` of a clone, or the copy inside an installed package."""

from __future__ import annotations

from pathlib import Path

PLACES = (Path(__file__).parents[2] / "scenarios", Path(__file__).parents[1] / "scenarios")
"""A clone's folder; then the package ``sim.scenarios``, which the build fills from that same folder."""


def shipped_folder() -> Path | None:
    """None in an installation that lost its data files."""
    return next((place for place in PLACES if (place / "tenfold.schema.json").is_file()), None)


def shipped_names() -> list[str]:
    """Names such as ``launch`` or ``chaos/provider_blackout``, in order."""
    folder = shipped_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml")) if folder else []


def find_shipped(name: str) -> Path | None:
    """The file of a shipped scenario by its name, with or without its folder; None if there is no such one, or several."""
    known, folder = shipped_names(), shipped_folder()
    found = [each for each in known if each == name] or [each for each in known if each.rpartition("/")[2] == name]
    return folder / f"{found[0]}.yaml" if folder and len(found) == 1 else None
