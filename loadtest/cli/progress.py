"""How far a run of real traffic is, and its figures so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.cli.live import LiveView

if TYPE_CHECKING:
    from loadtest.generator.locust_run import Beat
    from sim.data.run import Run


class RunProgress:
    """``say`` what is being done; ``tick`` as requests are answered. ``predicted``: a row of figures to see the measured ones beside."""

    def __init__(self, duration_s: float, quiet: bool, predicted: Run | None = None) -> None:
        self.duration_s = duration_s
        self.predicted = predicted
        self.view = LiveView(quiet)
        self.running = False

    def __enter__(self) -> RunProgress:
        self.view.__enter__()
        if self.view.live and self.predicted is not None:
            from sim.whatif.evaluation import traffic_of

            self.view.rows["predicted, the whole run"] = traffic_of(self.predicted)
        return self

    def __exit__(self, *error: object) -> None:
        self.view.__exit__(*error)

    def say(self, what: str) -> None:
        self.running = False
        self.view.begin(what)
        if not self.view.live:
            self.view.say(what)

    def tick(self, beat: Beat) -> None:
        if not self.running:
            self.running = True
            self.view.begin("running", self.duration_s, "s")
        words = f"{beat.answered:,} of {beat.planned:,} answered" if beat.planned else f"{beat.answered:,} answered"
        if beat.failures:
            words += f", {beat.failures:,} not served"
        what = "waiting for the last answers" if beat.elapsed_s > self.duration_s else "running"
        seen = {"measured so far": beat.figures()} if self.view.wants() else None
        self.view.tell(min(max(0.0, beat.elapsed_s), self.duration_s), seen, what, words)
