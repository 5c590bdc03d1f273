"""Compiled code is kept for the sources that it was compiled from, and for no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.engine.compiled_driver import cache, replicate
from sim.gateway.language import load

ROOT = Path(__file__).parents[4]


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A tree of sources of its own, and a directory for code."""
    for name in ("engine/compiled_driver/cache.py", "gateway/stages/route.py", "gateway/chain.py", "report/svg.py"):
        (tmp_path / "sim" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sim" / name).write_text(f"# {name}\n")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "sim/engine/compiled_driver/cache.py"))
    monkeypatch.setenv("TENFOLD_CACHE_DIR", str(tmp_path / "code"))
    forget()
    yield tmp_path / "sim"
    forget()


def forget():
    cache.fingerprint.cache_clear()
    cache.directory.cache_clear()


def test_a_changed_source_has_a_directory_of_its_own(sources):
    before = cache.directory()
    assert before is not None
    cache.note_kept("program")
    assert cache.is_kept("program")
    (sources / "gateway/stages/route.py").write_text("# another policy\n")
    forget()
    assert cache.directory() != before
    assert not cache.is_kept("program")


def test_what_is_not_compiled_voids_nothing(sources):
    before = cache.directory()
    (sources / "report/svg.py").write_text("# another picture\n")
    forget()
    assert cache.directory() == before


def test_old_states_are_forgotten(sources):
    for number in range(cache.KEPT + 3):
        (sources / "gateway/chain.py").write_text(f"# {number}\n")
        forget()
        newest = cache.directory()
    left = [place.name for place in (sources.parent / "code").iterdir()]
    assert len(left) == cache.KEPT
    assert newest is not None
    assert newest.name in left


def test_code_that_others_could_have_written_is_not_run(sources):
    place = cache.directory()
    assert place is not None
    place.chmod(0o777)
    forget()
    assert cache.directory() != place


def test_it_says_when_it_compiles(monkeypatch, capsys):
    scenario, other = (load(ROOT / "tests/equivalence/everything.yaml", changes).scenario for changes in ((), ["gateway.breaker=null"]))
    kept: set[str] = set()
    monkeypatch.setattr(replicate.Run, "play", lambda run: None)
    monkeypatch.setattr(replicate, "is_kept", kept.__contains__)
    monkeypatch.setattr(replicate, "note_kept", kept.add)
    replicate.prepare(scenario)
    assert "compiling" in capsys.readouterr().err
    replicate.prepare(scenario)
    assert capsys.readouterr().err == "", "what has been compiled before is loaded"
    replicate.prepare(other)
    assert "compiling" in capsys.readouterr().err, "another set of stages is another program"
