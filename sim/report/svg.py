"""Matplotlib figures as inline SVG whose colours are CSS variables, so that one drawing serves light and dark.

Figures are drawn in stand-in colours, one for each role; in the SVG every stand-in becomes ``var(--role)``. Text stays text, in the page's
own font and colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sim.report.colors import OUTCOMES, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROLES = (
    "ink", "muted", "line", "surface", "fault", "shade",
    *SERIES,
    *OUTCOMES.values(),
)  # fmt: skip
COLOR = {role: f"#01{number:02x}fe" for number, role in enumerate(ROLES)}
SIZE_INCHES = (4.9, 2.9)
RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "tenfold",  # the same drawing gets the same ids
    "text.parse_math": False,  # names come from the scenario and may hold a dollar sign
    "font.family": "sans-serif",
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": COLOR["line"],
    "axes.labelcolor": COLOR["muted"],
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": COLOR["line"],
    "grid.linewidth": 0.6,
    "xtick.color": COLOR["muted"],
    "ytick.color": COLOR["muted"],
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.color": COLOR["ink"],
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.2,
    "legend.columnspacing": 1.2,
    "legend.borderaxespad": 0.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


class Chart:
    """A drawing under way: ``axes`` to draw on; ``svg`` holds the markup once the ``chart`` block has ended."""

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.svg = ""

    def legend(self, columns: int = 4) -> None:
        """Above the plot, left; nothing when no artist has a label."""
        handles, labels = self.axes.get_legend_handles_labels()
        if handles:
            self.axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0, 1.02), ncols=columns)


@contextmanager
def chart(name: str, says: str, size_inches: tuple[float, float] = SIZE_INCHES) -> Iterator[Chart]:
    """Draw in the block; ``says`` is what a screen reader reads. ``name`` keeps the ids of several drawings on one page apart."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(RC):
        figure = Figure(figsize=size_inches, layout="constrained")
        canvas = FigureCanvasSVG(figure)
        drawing = Chart(figure.add_subplot())
        yield drawing
        file = io.StringIO()
        canvas.print_svg(file, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})  # savefig would draw it twice
    drawing.svg = inline(file.getvalue(), name, says)


def inline(svg: str, name: str, says: str) -> str:
    """A matplotlib SVG as an element of a page: no prologue, no fixed size, its own ids, colours as variables."""
    from html import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*|<style.*?</style>\s*", "", body, flags=re.DOTALL)
    opening, rest = body.split(">", 1)
    found = re.search(r'viewBox="[^"]*"', opening)
    assert found is not None, "matplotlib always writes a viewBox"
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', rest))
    rest = re.sub(r' id="([^"]+)"', lambda one: f' id="{name}-{one[1]}"' if one[1] in used else "", rest)
    rest = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", rest)
    rest = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', rest)
    rest = re.sub(r"font-family: [^;\"]*; ", "", rest)
    for role, color in COLOR.items():
        rest = rest.replace(color, f"var(--{role})")
    rest = re.sub(r"\n\s*", "\n", rest)
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {namespaces} {found[0]} role="img" aria-label="{escape(says, quote=True)}">{rest.strip()}'
