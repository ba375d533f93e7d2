"""Waiting by looking again: until it is so, until it cannot be so any more, or until the time is over."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from exporter.ctl.client import Answer
from exporter.ctl.failures import NotReached, Unreachable
from exporter.ctl.session import Session
from exporter.ctl.until import until

Told = dict[str, Any] | Unreachable


class Server:
    """Tells one thing after the other, and the last one for ever; time goes on as it is slept through."""

    def __init__(self, *told: Told) -> None:
        self._told = list(told)
        self.now = 0.0

    def look(self) -> Answer:
        found = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        if isinstance(found, Unreachable):
            raise found
        return Answer(200, json.dumps(found).encode(), {}, 0.0)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(server: Server, over: Callable[[Any], str | None] = lambda _: None) -> Answer:
    return until(
        Session(), server.look, lambda found: bool(found["x"] == 3), "x is 3", 60, over=over, sleep=server.sleep,
        monotonic=lambda: server.now,
    )  # fmt: skip


def test_the_first_answer_in_which_it_is_so_is_returned() -> None:
    server = Server({"x": 1}, Unreachable("away"), {"x": 3}, {"x": 4})
    assert wait(server).data == {"x": 3}
    assert server.now == 1.0


def test_what_cannot_come_about_any_more_is_not_waited_for() -> None:
    with pytest.raises(NotReached, match="it will not come to that x is 3: it is over"):
        wait(Server({"x": 1}), over=lambda _: "it is over")


def test_the_time_ends_it() -> None:
    server = Server({"x": 1})
    with pytest.raises(NotReached, match="after 1m it was still not so that x is 3") as caught:
        wait(server)
    assert (server.now, caught.value.code) == (60.0, 1)


def test_a_server_that_stays_away_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="away") as caught:
        wait(Server(Unreachable("away")))
    assert caught.value.code == 3
