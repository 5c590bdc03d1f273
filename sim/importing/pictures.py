"""One picture for each fit: the log beside the law."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from sim.importing.noted import Evidence
from sim.stochastics.distributions import inverse

MOST = 60
INK, LAW = "#444444", "#c0392b"


def draw(evidence: list[Evidence], folder: Path) -> list[str]:
    """Writes SVGs into the folder; their names."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    names: list[str] = []
    with mpl.rc_context({"svg.hashsalt": "tenfold", "font.size": 8}):
        for each in evidence[: MOST * 4]:
            if len(names) >= MOST:
                break
            figure = Figure(figsize=(5.2, 3.0))
            axes = figure.add_axes((0.13, 0.16, 0.84, 0.79))  # a layout that is computed takes longer than all the rest
            if each.fit is not None and each.fit.n > 1 and each.fit.kind != "constant":
                law(axes, each)
            elif each.figure.get("kind") == "arrivals":
                arrivals(axes, each)
            else:
                continue
            axes.spines[["top", "right"]].set_visible(False)
            name = re.sub(r"[^A-Za-z0-9.]+", "-", each.path).strip("-") + ".svg"
            FigureCanvasSVG(figure).print_svg(str(folder / name), metadata={"Date": None})
            names.append(name)
    return names


def law(axes: Any, each: Evidence) -> None:
    """Shares above a value, both axes logarithmic, so that the tail shows."""
    assert each.fit is not None
    values = each.fit.values
    keep = np.unique(np.concatenate([np.linspace(0, len(values) - 1, 300), len(values) - np.geomspace(1, len(values), 200)]).astype(int))
    axes.plot(values[keep], 1 - keep / len(values), ".", ms=3, color=INK, label=f"log, n {each.fit.n:,}")
    u = 1 - np.geomspace(1, 0.3 / len(values), 400)
    drawn = np.sort(inverse(each.fit.law)(np.linspace(0.5 / 4000, 1 - 0.5 / 4000, 4000))) if each.fit.kind == "mixture" else None
    if drawn is not None:
        axes.plot(drawn, 1 - (np.arange(4000) + 0.5) / 4000, color=LAW, lw=1, label="mixture")
    else:
        u = np.clip(u, 1e-9, 1 - 1e-12)
        axes.plot(inverse(each.fit.law)(u), 1 - u, color=LAW, lw=1, label=each.fit.kind)
    axes.set(xscale="log", yscale="log", xlabel=each.path, ylabel="share above", ylim=(0.3 / len(values), 1.3))
    axes.legend(frameon=False, title=f"KS {each.fit.distance:.3f}  P50 {each.fit.p50:+.1%}  P99 {each.fit.p99:+.1%}", title_fontsize=7)


def arrivals(axes: Any, each: Evidence) -> None:
    at, span = each.figure["at_s"], each.figure["span_s"]
    bins = int(np.clip(len(at) / 20, 1, 240))
    counts, edges = np.histogram(at, bins, (0, span))
    thin = each.figure["rate"] * span / max(1, len(at))
    axes.step(edges[:-1], counts / np.diff(edges) * thin, where="post", color=INK, lw=0.8, label="log")
    stages = each.figure.get("stages")
    if stages:
        ends = np.cumsum([0.0, *(length for _, length in stages)])
        axes.step(ends, [*(rate for rate, _ in stages), stages[-1][0]], where="post", color=LAW, label="stages")
    else:
        axes.axhline(each.figure["rate"], color=LAW, lw=1, label="mean rate")
    axes.set(xlabel="seconds from the log's start", ylabel="calls/s", ylim=(0, None))
    axes.legend(frameon=False)
