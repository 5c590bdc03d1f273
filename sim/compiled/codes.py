"""Outcomes as plain ints, and the stages of a life: what it does next when it is resumed, or at once."""

from __future__ import annotations

from sim.data.schema import Outcome

OK, CACHE_HIT, FALLBACK, REJECTED, RATE_LIMITED, TIMEOUT, FAILED, ABANDONED = (int(outcome) for outcome in Outcome)

WAITS, WORKED, RECALL, RECALLED, LOOK_UP, FLIGHT_OVER, QUEUE, TURN, ASK, NEXT, BACKED_OFF, TRY, ANSWERED, DONE = range(14)
