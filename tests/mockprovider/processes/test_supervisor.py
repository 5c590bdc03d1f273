"""Children are heard, watched and ended for certain, and never outlive whoever started them."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from mockprovider.processes.supervisor import Crew, Interrupted, RunFailed, interruptible
from tests.loadtest.living import eventually


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", textwrap.dedent(code)]


def test_a_child_is_heard_line_by_line_and_what_is_no_json_is_skipped(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        child = crew.start("talker", python('print("hello"); print(\'{"event": "ready", "n": 1}\'); input(); print(\'{"event": "bye"}\')'))
        assert child.expect("ready", 10)["n"] == 1
        assert child.hear(0.05) is None
        child.order("go")
        assert child.expect("bye", 10) == {"event": "bye"}


def test_a_child_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        child = crew.start("dying part", python("import sys; print('no disk left', file=sys.stderr); sys.exit(7)"))
        with pytest.raises(RunFailed, match=r"dying part ended with exit code 7:\n    no disk left"):
            child.expect("ready", 10)
        with pytest.raises(RunFailed, match="dying part"):
            crew.check()


def test_a_child_that_says_it_failed_or_says_nothing_is_a_failure(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        failed = crew.start("one", python('print(\'{"event": "failed", "why": "no luck"}\'); input()'))
        with pytest.raises(RunFailed, match="one: no luck"):
            failed.expect("ready", 10)
        silent = crew.start("two", python("input()"))
        with pytest.raises(RunFailed, match=r"two was not ready after 0\.2 s"):
            silent.expect("ready", 0.2)


def test_leaving_ends_children_grandchildren_and_those_that_ignore_sigterm(tmp_path: Path) -> None:
    code = """
        import signal, subprocess, sys
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
        grandchild = subprocess.Popen([sys.executable, "-c", deaf])
        print('{"event": "ready", "grandchild": %d}' % grandchild.pid)
        grandchild.wait()
    """
    from mockprovider.processes import supervisor

    crew = Crew(tmp_path)
    ready = crew.start("stubborn", python(code)).expect("ready", 10)
    began = time.monotonic()
    supervisor.stop_all(crew.children, within_s=0.5)
    assert time.monotonic() - began < 30
    assert eventually(lambda: not psutil.pid_exists(ready["grandchild"]) or psutil.Process(ready["grandchild"]).status() == "zombie", 15)


def test_children_end_when_whoever_started_them_is_killed(tmp_path: Path) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from mockprovider.processes.supervisor import Crew
        crew = Crew(Path({str(tmp_path)!r}))
        child = crew.start("sleeper", ["sleep", "60"])
        print(child.process.pid)
        sys.stdin.read()
    """
    parent = subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert eventually(lambda: child.name() == "sleep", 15)
    parent.kill()
    parent.wait()
    assert eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 15)


def test_a_child_can_be_interrupted_although_it_was_started_with_signals_blocked(tmp_path: Path) -> None:
    with Crew(tmp_path) as crew:
        child = crew.start(
            "plain", python('import signal; print(\'{"event": "ready", "blocked": %d}\' % len(signal.pthread_sigmask(0, [])))\ninput()')
        )
        assert child.expect("ready", 10)["blocked"] == 0


def test_sigterm_unwinds_like_ctrl_c() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
