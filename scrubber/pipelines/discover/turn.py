"""How long one turn of the loop may work: it ends after a piece of work that is stored, and a later turn goes on."""

from __future__ import annotations

import time
from collections.abc import Callable

from scrubber.core.errors import Interrupted

LATER = "Start it again with the same --run-dir to go on."


class OutOfTime(Interrupted):
    """The minutes of this turn are over; everything that was done is kept."""


class Turn:
    """``minutes``: of this turn; None: as long as it takes.

    Time is looked at after stored work alone, so each turn gets on by at least one piece, however short it is.
    """

    def __init__(self, minutes: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = None if minutes is None else clock() + 60 * minutes

    @property
    def is_over(self) -> bool:
        return self._end is not None and self._clock() >= self._end

    def stored(self, what: str) -> None:
        """To be called after each piece of work that is stored. Raises OutOfTime when the minutes are over."""
        if self.is_over:
            raise OutOfTime("the minutes of this turn are over", where=what, mend=LATER)

    def steps(self, save_every: int, what: str) -> Callable[[int], None]:
        """A progress of training, which stores itself every ``save_every`` steps. Those since then are done again.

        Of a resumed training the first call tells the steps that it has already.
        """
        done = 0

        def step(count: int) -> None:
            nonlocal done
            done += 1  # each call is one step of this turn, but for the first of a resumed training
            if done > save_every + 1:
                self.stored(what)

        return step
