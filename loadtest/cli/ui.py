"""``tenfold ui``"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from loadtest.cli import exit_codes, options
from loadtest.cli.options import examples

if TYPE_CHECKING:
    from sim.scenario.load import Loaded

HOST = "127.0.0.1"
PORT = 8080
PROCESSES = 2
"""One for each side."""


@click.command(
    epilog=examples(
        "tenfold ui launch",
        "tenfold ui launch --scale 10 --port 9000",
        "tenfold ui launch --scale 100 --engine compiled",
    )
)
@options.scenario
@options.overrides
@options.scale
@options.seed
@options.engine
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, show_default=True, help="Of the page; 0 takes a free one.")
@options.quiet
def command(path: str, overrides: tuple[str, ...], scale: float, seed: int | None, engine: str, port: int, quiet: bool) -> int:
    """Turn SCENARIO's knobs on a local page until Ctrl-C: how they move latency, availability, cost and what binds.

    The scenario as it stands (A) stands beside itself with the sliders' values (B), on the same random numbers, and below them the command
    lines and the YAML that say the same again. Answers come at once, so they stand on few requests: on how many, the page says.
    --engine compiled compiles first, which takes some 30 s once, and then has ten times as many. Needs tenfold[ui].
    """
    from loadtest.cli.predictions import no_worker_survives
    from loadtest.cli.scenario_argument import load_scenario
    from sim.engine.executors import open_executor
    from sim.gateway.language import load
    from sim.whatif.side_by_side import SideBySide
    from sim.whatif.sliders import sliders_of

    try:
        from loadtest.cli.ui_page import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith(("loadtest", "sim")):
            raise
        raise click.UsageError(
            f"the page needs the extra: pip install 'tenfold[ui]', in a clone pip install '.[ui]' ({error.name} is not installed)"
        ) from error

    loaded = load_scenario(path, overrides)

    def load_with(changes: Sequence[str]) -> Loaded:
        return load(path, changes)

    with listening(port) as place, open_executor(PROCESSES) as executor, no_worker_survives():
        model = SideBySide(path, overrides, load_with, engine, seed, executor)
        sliders = sliders_of(loaded, lambda changes: load(path, (*overrides, *changes)))
        first = sliders[0]
        turned = (first.path, first.values[0 if first.now else -1])
        model.compare((turned,), scale)  # what cannot be predicted is refused here; and both processes have loaded what they need
        url = f"http://{HOST}:{place.getsockname()[1]}"
        serve(model, sliders, scale, place, lambda: click.echo(url + ("" if quiet else "  (Ctrl-C ends it)")))
    return exit_codes.OK


def listening(port: int) -> socket.socket:
    """Taken before any work is done. Raises UsageError for a port that is not free."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((HOST, port))
        place.listen()
    except OSError as error:
        place.close()
        hint = "give another --port, or --port 0 for a free one"
        raise click.UsageError(f"cannot listen on {HOST}:{port}: {error.strerror or error}; {hint}") from None
    return place
