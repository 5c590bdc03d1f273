"""The page of ``tenfold ui``, served by NiceGUI, which brings everything that the browser needs: no other host is asked for anything."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from html import escape

import uvicorn
from fastapi import FastAPI
from nicegui import ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sim.analysis.metrics import METRICS
from sim.formatting import Document, interval, metric_words, say, seconds, times
from sim.report.verdicts import budget_value
from sim.scenario.errors import ScenarioError
from sim.whatif.side_by_side import SHOWN, Pair, SideBySide
from sim.whatif.sliders import Slider, scales_with
from sim.whatif.variation import Settings

GRACE_S = 2
"""For pages that are open at Ctrl-C."""
MARKS = {"ok": "holds", "broken": "breaks", "insufficient": "too few samples"}
STYLE = """
body { font-variant-numeric: tabular-nums; }
.figures { border-collapse: collapse; width: 100%; }
.figures td, .figures th { padding: 0.4rem 0.75rem; text-align: left; vertical-align: top; border-bottom: 1px solid #e2e8f0; }
.figures th, .figures td:first-child, .figures td:last-child { white-space: nowrap; }
.nicegui-code pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.figures thead th { border-bottom: 2px solid #94a3b8; }
.figures .value { font-size: 1.15rem; font-weight: 600; }
.better, .ok { color: #15803d; } .worse, .broken { color: #b91c1c; } .insufficient, .faint { color: #64748b; }
.faint { font-size: 0.8rem; font-weight: 400; }
"""


def serve(model: SideBySide, sliders: Sequence[Slider], scale: float, place: socket.socket, ready: Callable[[], None]) -> None:
    """Until Ctrl-C, on a socket that listens. ``ready`` is called when pages can be had."""
    ui.page("/", title=f"{model.base.scenario.name} · Tenfold")(lambda: Page(model, sliders, scale).build())

    # Another site's page may make a browser ask for its own name at this address (DNS rebinding): only ours is answered.
    app = FastAPI(on_startup=[ready])
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    ui.run_with(app, show_welcome_message=False)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=GRACE_S))
    try:
        server.run(sockets=[place])
    except KeyboardInterrupt:  # raised again by uvicorn once it has stopped
        pass


class Slide(ui.slider):
    """Moves in the browser at once. NiceGUI's own waits for the server's answer, and takes back what is turned meanwhile."""

    LOOPBACK = False


class Page:
    """One browser's: its sliders, and the answer to where they stand."""

    def __init__(self, model: SideBySide, sliders: Sequence[Slider], scale: float) -> None:
        self.model, self.sliders, self.first_scale = model, sliders, scale
        self.scales = scales_with(scale)
        self.at: dict[str, Slide] = {}
        self.busy = self.stale = False

    # ---- what the sliders say -----------------------------------------------------------------------------------------
    def scale(self) -> float:
        return self.scales[int(self.scale_at.value)]

    def settings(self) -> Settings:
        """What differs from the scenario."""
        places = {each: int(self.at[each.path].value) for each in self.sliders}
        return tuple((each.path, each.values[place]) for each, place in places.items() if place != each.now)

    # ---- what is seen -------------------------------------------------------------------------------------------------
    def build(self) -> None:
        ui.add_css(STYLE)
        scenario = self.model.base.scenario
        with ui.column().classes("w-full max-w-7xl mx-auto gap-2"):
            ui.label(scenario.name).classes("text-2xl font-semibold")
            ui.label(scenario.description or "").classes("text-slate-600")
            with ui.row().classes("w-full no-wrap items-start gap-8"):
                with ui.column().classes("w-96 shrink-0 gap-1"):
                    self.build_sliders()
                with ui.column().classes("grow min-w-0 gap-3"):
                    self.build_answer()
        ui.timer(0, self.redraw, once=True)

    def build_sliders(self) -> None:
        ui.label("Both sides").classes("font-semibold")
        shown = [times(each) for each in self.scales]
        self.scale_at = self.slider("scale", shown, self.scales.index(self.first_scale))
        ui.label("B only").classes("font-semibold mt-2")
        for each in self.sliders:
            self.at[each.path] = self.slider(each.path, each.values, each.now, f"  (A: {each.values[each.now]})")
        ui.button("As it stands", on_click=self.reset).props("flat dense no-caps")

    def slider(self, name: str, values: Sequence[str], now: int, own: str = "") -> Slide:
        """``own``: what is said of the scenario's value where the slider stands elsewhere."""
        with ui.row().classes("w-full no-wrap justify-between gap-2 text-sm"):
            ui.label(name).classes("truncate").tooltip(name)
            value = ui.label().classes("font-semibold whitespace-nowrap")
        made = Slide(min=0, max=len(values) - 1, step=1, value=now, on_change=self.redraw).props(f'dense aria-label="{name}"')
        value.bind_text_from(made, "value", lambda place: values[int(place)] + (own if int(place) != now else ""))
        return made

    def build_answer(self) -> None:
        self.refused = ui.label().classes("whitespace-pre-wrap broken")
        self.table = ui.html("", sanitize=False).classes("w-full")
        self.basis = ui.label().classes("text-sm text-slate-600")
        ui.label("The same again").classes("font-semibold mt-2")
        self.commands = ui.code("", language="bash").classes("w-full")
        ui.label(f"B as a file, to be kept beside {self.model.base.path.name}").classes("font-semibold")
        self.overlay = ui.code("", language="yaml").classes("w-full")

    def reset(self) -> None:
        for each in self.sliders:
            self.at[each.path].value = each.now

    # ---- the answer ---------------------------------------------------------------------------------------------------
    async def redraw(self) -> None:
        """Computes for where the sliders stand; once more if they have moved meanwhile."""
        self.stale = True
        if self.busy:
            return
        self.busy = True
        try:
            while self.stale:
                self.stale = False
                await self.compute(self.settings(), self.scale())
        finally:
            self.busy = False

    async def compute(self, settings: Settings, scale: float) -> None:
        try:
            pair = await asyncio.to_thread(self.model.compare, settings, scale)
        except ScenarioError as error:
            self.refused.text = f"These values do not go together:\n{error}"
            return
        self.refused.text = ""
        self.table.content = table_of(pair)
        self.basis.text = basis_of(pair)
        a, b = pair.commands
        self.commands.content = f"# A\n{a}" + ("" if a == b else f"\n# B\n{b}")
        self.overlay.content = f"# predict it at --scale {scale:g}\n{pair.overlay}"


def basis_of(pair: Pair) -> str:
    document, how = pair.before, pair.amount
    return (
        f"On {document['requests']:,} requests a side after the warm-up, {how.words}, the same random numbers on both sides "
        f"({how.engine} driver, {seconds(pair.took_s)}). "
        + ("Intervals are 95 %. " if document["replications"] > 1 else "One replication has no interval for a difference. ")
        + "The verbs predict and compare say more, on longer runs."
    )


# ---- the table, as HTML -----------------------------------------------------------------------------------------------
def table_of(pair: Pair) -> str:
    head = row("th", "", "A: as it stands", "B: with the sliders", "B − A")
    figures = [row("td", escape(metric_words(name)), *figure(pair, name)) for name in SHOWN]
    budgets = [
        row("td", escape(before["budget"]), verdict(before), verdict(after), "")
        for before, after in zip(pair.before["budgets"], pair.after["budgets"], strict=True)
    ]
    binds = row("td", "what binds", escape(pair.before["binding"]), escape(pair.after["binding"]), "")
    return f'<table class="figures"><thead>{head}</thead><tbody>{"".join([*figures, *budgets, binds])}</tbody></table>'


def row(tag: str, *cells: str) -> str:
    return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"


def figure(pair: Pair, name: str) -> tuple[str, str, str]:
    unit = METRICS[name].unit
    sides = [pair.before["figures"][name], pair.after["figures"][name]]
    shown = [f'<div class="value">{say(side["value"], unit)}</div><div class="faint">{interval(side, unit)}</div>' for side in sides]
    return shown[0], shown[1], change_of(pair, name, unit)


def change_of(pair: Pair, name: str, unit: str) -> str:
    """What moved, paired; coloured where it is beyond chance, or where a single replication cannot tell chance."""
    change = pair.changes[name].joint.as_dict()
    value = change["value"]
    if not value:
        return "" if value is None else '<span class="faint">none</span>'
    low, high = change["low"], change["high"]
    by_chance = low is not None and high is not None and low <= 0 <= high
    better = (value > 0) == (METRICS[name].better == "higher")
    kind = "faint" if by_chance else "better" if better else "worse"
    return f'<div class="value {kind}">{signed(value, unit)}</div><div class="faint">{signed_interval(change, unit)}</div>'


def signed(value: float, unit: str) -> str:
    return ("+" if value > 0 else "−") + say(abs(value), unit)


def signed_interval(change: Document, unit: str) -> str:
    low, high = change["low"], change["high"]
    return "" if low is None or high is None else f"{signed(low, unit)} … {signed(high, unit)}"


def verdict(budget: Document) -> str:
    return f'<span class="{budget["verdict"]}">{MARKS[budget["verdict"]]}</span> <span class="faint">{budget_value(budget)}</span>'
