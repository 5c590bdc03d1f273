"""Draws the pictures of docs/background/architecture.md from the code itself: ``make pictures``.

The chain from ``sim.gateway.chain.STAGES`` and the stages' docstrings; the packages from the layers that tests/test_imports.py enforces.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "tenfold"  # the same picture, byte for byte, from the same code
import matplotlib.pyplot as plt  # noqa: E402

from sim.gateway import chain  # noqa: E402
from tests.test_imports import LAYERS  # noqa: E402

HERE = Path(__file__).parent / "background"
INK, LINE, BOX, EDGE = "#1f2933", "#7b8794", "#eef3f8", "#9fb3c8"


def words(stage: ModuleType) -> tuple[str, str]:
    """What a stage is called in the field, and the first sentence about it."""
    first = " ".join((stage.__doc__ or "").strip().split("\n\n")[0].split())
    name, _, rest = first.partition(": ")
    sentence = rest.split(". ")[0].rstrip(".").replace("`", "")
    return name, sentence


def draw_chain() -> None:
    stages = chain.STAGES
    figure, axes = plt.subplots(figsize=(11, 0.55 * len(stages) + 2.2))
    axes.set_xlim(0, 110)
    axes.set_ylim(-2.2, len(stages) + 0.9)
    axes.axis("off")
    axes.text(20, len(stages) + 0.35, "a request arrives", ha="center", color=INK, fontsize=11)
    axes.text(3, len(stages) + 0.35, "its answer", ha="center", color=INK, fontsize=11)
    for place, stage in enumerate(stages):
        y = len(stages) - place - 0.5
        axes.add_patch(plt.Rectangle((8, y - 0.36), 24, 0.72, facecolor=BOX, edgecolor=EDGE, linewidth=1))
        axes.text(20, y, chain.name_of(stage), ha="center", va="center", color=INK, fontsize=11, family="monospace")
        name, sentence = words(stage)
        axes.text(35, y, f"{name}: {sentence}" if sentence else name, va="center", color=INK, fontsize=9.5)
        if place:
            axes.annotate("", (20, y + 0.37), (20, y + 0.63), arrowprops={"arrowstyle": "->", "color": LINE})
    axes.annotate("", (3, len(stages) + 0.1), (3, 0.2), arrowprops={"arrowstyle": "->", "color": LINE, "linewidth": 1.5})
    axes.text(4.2, len(stages) / 2, "leave, rescue", rotation=90, va="center", color=LINE, fontsize=9.5)
    axes.text(33, len(stages) + 0.35, "enter, woken", color=LINE, fontsize=9.5)
    for x, (driver, clock) in zip(
        (20, 53, 86), (("SimPy", "virtual time"), ("compiled", "virtual time"), ("asyncio", "real sockets")), strict=True
    ):
        axes.add_patch(plt.Rectangle((x - 13, -1.6), 26, 0.9, facecolor="white", edgecolor=LINE, linewidth=1))
        axes.text(x, -1.15, f"{driver}: {clock}", ha="center", va="center", color=INK, fontsize=10)
    axes.annotate("", (20, -0.68), (20, 0.12), arrowprops={"arrowstyle": "<->", "color": LINE})
    axes.text(
        22, -0.36, "PERFORM: a driver carries an attempt out, and wakes the call with its facts", va="center", color=INK, fontsize=9.5
    )
    save(figure, "chain")


def draw_packages() -> None:
    groups = [(top, [layer for layer in LAYERS if layer.split(".")[0] == top]) for top in ("sim", "mockprovider", "loadtest")]
    tallest = max(len(layers) for _, layers in groups)
    figure, axes = plt.subplots(figsize=(11, 0.42 * tallest + 1.0))
    axes.set_xlim(0, 100)
    axes.set_ylim(-0.4, tallest + 1.1)
    axes.axis("off")
    for column, (top, layers) in enumerate(groups):
        x = 2 + 33 * column
        axes.text(x + 15, tallest + 0.55, f"{top}/", ha="center", color=INK, fontsize=12, weight="bold")
        for place, layer in enumerate(layers):
            y = tallest - place - 0.5
            axes.add_patch(plt.Rectangle((x, y - 0.36), 30, 0.72, facecolor=BOX, edgecolor=EDGE, linewidth=1))
            axes.text(
                x + 15,
                y,
                layer.removeprefix(f"{top}.") if layer != top else f"{top} itself",
                ha="center",
                va="center",
                fontsize=10,
                color=INK,
            )
    axes.text(66, 0.6, "each package imports those above it, and those to its left", ha="center", color=LINE, fontsize=10)
    save(figure, "packages")


def save(figure: plt.Figure, name: str) -> None:
    figure.savefig(HERE / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


if __name__ == "__main__":
    draw_chain()
    draw_packages()
