"""``tenfold mock``: the scenario's providers as servers, for anyone's load test."""

from __future__ import annotations

import json
import sys

import click

from loadtest.cli import exit_codes, options

EXAMPLES = options.examples(
    "tenfold mock launch",
    "tenfold mock launch --port 9000       first provider on 9000, the next on 9001, by name",
    "OPENAI_BASE_URL=http://127.0.0.1:9000/v1 OPENAI_API_KEY=sk-mock-openai-0 python app.py",
)


@click.command("mock", epilog=EXAMPLES)
@options.scenario
@options.overrides
@options.seed
@options.scale
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on. Anything but loopback is reachable by others.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="Port of the first provider, the others follow.  [default: free ones]"
)
@options.as_json
@options.quiet
def command(path: str, overrides: tuple[str, ...], seed: int | None, scale: float, host: str, port: int, as_json: bool, quiet: bool) -> int:
    """Serve a scenario's providers as mock servers, one process and port each, until Ctrl-C.

    They answer in each provider's own wire format with the latencies, limits, errors and faults of SCENARIO. The run's clock, faults
    included, starts with the process, or whenever POST /_mock/t0 says. API keys are sk-mock-PROVIDER-N, with N from 0.
    """
    from mockprovider.processes.supervisor import Interrupted, RunFailed, interruptible
    from mockprovider.supervisor import serving, watch
    from sim.gateway.language import load

    loaded = load(path, overrides)
    try:
        with interruptible(), serving(loaded, host, port, seed, scale) as mocks:
            if as_json:
                ports = {mock.provider: mock.port for mock in mocks}
                click.echo(json.dumps({"scenario_sha256": loaded.sha256, "host": host, "ports": ports}))
            else:
                width = max(len(mock.provider) for mock in mocks)
                for mock in mocks:
                    click.echo(f"{mock.provider:<{width}}  {mock.base_url}  ({mock.dialect})")
                if not quiet:
                    click.echo("Ctrl-C stops. Control and certificate: /_mock/health, /_mock/certificate of each.", err=True)
            sys.stdout.flush()
            watch(mocks)
    except RunFailed as error:
        click.echo(str(error), err=True)
        return exit_codes.USAGE if "cannot be used" in str(error) else exit_codes.INTERNAL
    except Interrupted:  # the ordinary way to stop a server
        pass
    return exit_codes.OK
