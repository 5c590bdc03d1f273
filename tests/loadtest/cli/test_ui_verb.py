"""ui, from the command line: what it refuses; and its page, in a browser."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loadtest.cli import exit_codes
from loadtest.cli.main import run
from tests.loadtest.living import Run, eventually
from tests.sim.whatif.documents import SCENARIO

QUEUE = "gateway.queue.concurrency"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
READY_WITHIN_S = 90
REDRAWN_WITHIN_S = 20
"""Beside other work. On two free cores it takes less than one second, which the page says of itself."""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SCENARIO)
    return "small.yaml"


def test_without_the_extra_it_says_how_to_get_it(
    scenario: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nicegui", None)
    monkeypatch.delitem(sys.modules, "loadtest.cli.ui_page", raising=False)
    assert run(["ui", scenario]) == exit_codes.USAGE
    assert "pip install '.[ui]' (nicegui is not installed)" in capsys.readouterr().err


def test_a_port_in_use_is_told_before_any_work(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nicegui", reason="needs the extra tenfold[ui]")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(["ui", scenario, "--port", str(port)]) == exit_codes.USAGE
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; give another --port" in capsys.readouterr().err


def test_a_bad_scenario_is_refused(scenario: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("nicegui", reason="needs the extra tenfold[ui]")
    assert run(["ui", scenario, "--port", "0", "--set", "gateway.queue.concurency=1"]) == exit_codes.USAGE
    assert "did you mean 'concurrency'" in capsys.readouterr().err


@pytest.fixture
def served(scenario: str, tmp_path: Path) -> Iterator[tuple[Run, str]]:
    """The verb as a process, and the page's address."""
    pytest.importorskip("nicegui", reason="needs the extra tenfold[ui]")
    started = Run(["ui", scenario, "--port", "0"], tmp_path)
    try:
        assert started.process.stdout is not None
        found = re.match(r"http://127\.0\.0\.1:\d+", started.process.stdout.readline())
        assert found, started.process.communicate(timeout=READY_WITHIN_S)
        yield started, found[0]
    finally:
        started.clean_up()


@pytest.mark.slow
@pytest.mark.sockets
def test_the_page_is_served_to_this_machine_until_ctrl_c(served: tuple[Run, str]) -> None:
    started, url = served
    with urllib.request.urlopen(url, timeout=20) as answer:
        page = answer.read().decode()
    assert answer.status == 200
    assert QUEUE in page
    assert "small · Tenfold" in page
    stranger = urllib.request.Request(url, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(stranger, timeout=20)
    mine = [each.laddr.ip for each in psutil.Process(started.process.pid).net_connections() if each.status == psutil.CONN_LISTEN]
    assert set(mine) == {"127.0.0.1"}
    started.process.send_signal(signal.SIGINT)
    code, _, errors = started.end(30)
    assert (code, errors) == (exit_codes.OK, "")
    assert started.nobody_left()


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium, of which there is none on the PATH (Debian: apt-get install chromium)")
def test_a_slider_that_is_turned_changes_its_side_of_the_page(served: tuple[Run, str]) -> None:
    browsers = pytest.importorskip("playwright.sync_api", reason="needs playwright, to drive the browser (pip install playwright)")
    _, url = served
    asked: set[str] = set()
    with (
        browsers.sync_playwright() as playwright,
        contextlib.closing(playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])) as browser,
    ):
        page = browser.new_page()
        page.on("request", lambda request: asked.add(request.url.partition("://")[2].partition("/")[0]))
        page.goto(url)
        page.wait_for_selector(".figures")

        def availability() -> list[str]:
            """Of A, of B, and the difference."""
            return [
                each.splitlines()[0]
                for each in page.locator(".figures tr", has_text="availability").first.locator("td").all_inner_texts()[1:]
            ]

        before = availability()
        assert before[0] == before[1]
        page.locator(f'[aria-label="{QUEUE}"] [tabindex]').first.focus()
        page.keyboard.press("PageDown")
        page.wait_for_function("document.body.innerText.includes('# B')", timeout=REDRAWN_WITHIN_S * 1000)
        assert eventually(lambda: availability()[0] != availability()[1], REDRAWN_WITHIN_S)
        after = availability()
        assert after[0] == before[0], "the scenario as it stands has not moved"
        assert after[2].startswith("−")
        text = page.inner_text("body")
        assert re.search(rf"tenfold predict small\.yaml --set {re.escape(QUEUE)}=6 ", text)
        assert "extends: small.yaml" in text
        assert re.search(r"On [\d,]+ requests a side after the warm-up, \d+ replications of the whole 20\.0 s", text)
    assert asked == {url.removeprefix("http://")}, "the page asks no other host for anything"
