"""Every topic of the gallery is one small scenario with one small picture, and what it is compared with is a change that loads."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import gallery
from docs.gallery import TOPICS
from sim.gateway.language import load
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")


def test_the_gallery_has_a_topic_for_every_scenario() -> None:
    assert {path.stem for path in (ROOT / "scenarios" / "gallery").glob("*.yaml")} == set(TOPICS)
    assert len(TOPICS) == 20


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_small_and_its_page_shows_it(name: str) -> None:
    path = gallery.place(name)
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 25
    assert text.partition("\n")[2] in PAGE
    picture = ROOT / "docs" / "gallery" / f"{name}.svg"
    assert 5_000 < picture.stat().st_size < 60_000


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_warns_of_nothing_and_is_compared_with_something_else(name: str) -> None:
    loaded = load(gallery.place(name))
    assert not loaded.warnings
    assert TOPICS[name].beside
    for overrides in TOPICS[name].beside.values():
        assert load(gallery.place(name), overrides).sha256 != loaded.sha256


def test_the_page_and_the_picture_are_what_the_command_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "HERE", tmp_path)
    runs = gallery.runs_of("queue-timeout")
    gallery.draw("queue-timeout", runs)
    assert gallery.section("queue-timeout", runs) in PAGE
    assert (tmp_path / "gallery" / "queue-timeout.svg").read_text() == (ROOT / "docs" / "gallery" / "queue-timeout.svg").read_text()
