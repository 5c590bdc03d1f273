"""Figures of an experiment, to look at."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.calibration.figure import Figure


def by_name(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}
