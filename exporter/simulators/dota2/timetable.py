"""What will happen by itself: a heap of (time, step), without tasks and without a clock."""

import heapq
import itertools
from collections.abc import Callable

Step = Callable[[float], None]


class Timetable:
    """Steps that are still to come. A step gets the time for which it was meant, however late it is done."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Step]] = []
        self._order = itertools.count()

    def at(self, when: float, step: Step) -> None:
        """Do `step` once `advance` reaches that time; steps of the same time keep their order."""
        heapq.heappush(self._heap, (when, next(self._order), step))

    def advance(self, now: float) -> None:
        """Do every step that is due; steps may put further ones on the heap."""
        while self._heap and self._heap[0][0] <= now:
            when, _, step = heapq.heappop(self._heap)
            step(when)

    @property
    def next_due(self) -> float | None:
        """Return when the next step is due."""
        return self._heap[0][0] if self._heap else None
