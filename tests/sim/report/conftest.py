from __future__ import annotations

import pytest


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have empty drawings, which otherwise take most of their time."""
    empty = '<svg viewBox="0 0 1 1"></svg>'
    monkeypatch.setattr("matplotlib.backends.backend_svg.FigureCanvasSVG.print_svg", lambda self, file, **_: file.write(empty))
