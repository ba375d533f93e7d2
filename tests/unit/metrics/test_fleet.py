"""What is written again, and what is left as it is."""

import gzip
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from exporter.metrics.columns import BLOCK, Column
from exporter.metrics.fleet import Fleet
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import RaceState
from exporter.packing import ZLIB, Member
from exporter.stats import BotStats
from tests.unit.metrics.rig import RACING, Rig, connected, race, racer


class Writing:
    """A rig, and a fleet of its own whose columns a test can look into."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.fleet = Fleet(self.rig.store, self.rig.counters, self.rig.bot_stats, self.rig.process)

    def refresh(self) -> int:
        """Write everything, and return in how many steps."""
        return sum(1 for _ in self.fleet.refresh())

    def blocks(self) -> dict[str, list[bytes]]:
        for column in self.fleet.columns.values():
            exhaust(column.join())
        return {name: list(column.joined()) for name, column in self.fleet.columns.items()}


def exhaust(steps: Iterator[None]) -> None:
    for _ in steps:
        pass


def test_nothing_is_done_when_nothing_has_changed() -> None:
    writing = Writing()
    writing.rig.apply(racer("alpha"), *connected("alpha"))
    assert writing.refresh() == 2  # the bot and its category
    before = writing.blocks()
    assert writing.refresh() == 0
    after = writing.blocks()
    assert all(now is then for name in before for now, then in zip(after[name], before[name], strict=True))


def test_only_the_blocks_of_what_changed_are_made_again() -> None:
    writing = Writing()
    for number in range(2 * BLOCK):
        writing.rig.apply(racer(f"bot-{number}"))
    writing.refresh()
    before = writing.blocks()
    writing.rig.apply(ev.TokenIssued(f"bot-{BLOCK}", 2.0, 99.0))
    writing.refresh()
    after = writing.blocks()
    changed = {
        (name, place)
        for name, blocks in after.items()
        for place, block in enumerate(blocks)
        if block is not before[name][place]
    }
    assert changed == {("bot_token_expiry_timestamp_seconds", 1)}


def test_the_place_of_a_bot_that_is_gone_is_the_next_ones() -> None:
    writing = Writing()
    writing.rig.apply(*(racer(f"bot-{number}") for number in range(BLOCK)))
    writing.refresh()
    for number in range(BLOCK):
        writing.rig.apply(ev.BotRemoved(f"bot-{number}", 2.0), racer(f"new-{number}", at=3.0))
        writing.refresh()
    up = writing.blocks()["bot_up"]
    assert len(up) == 1
    assert up[0].count(b"new-") == BLOCK
    assert b"bot-" not in up[0]


def test_everything_of_a_fleet_that_is_gone_is_gone() -> None:
    writing = Writing()
    writing.rig.apply(racer("alpha"), *connected("alpha"))
    writing.refresh()
    writing.rig.apply(ev.BotRemoved("alpha", 20.0))
    writing.refresh()
    assert {column.size for column in writing.fleet.columns.values()} == {0}
    assert not any(block for blocks in writing.blocks().values() for block in blocks)


def test_a_column_knows_its_size() -> None:
    writing = Writing()
    writing.rig.apply(*(racer(f"bot-{'long' * number}") for number in range(5)), *connected("bot-long"))
    writing.refresh()
    writing.rig.apply(ev.BotRemoved("bot-long", 30.0), racer("x"), ev.TokenIssued("bot-", 31.0, 99.0))
    writing.refresh()
    blocks = writing.blocks()
    for name, column in writing.fleet.columns.items():
        assert column.size == sum(map(len, blocks[name])), name  # a gzip member ends with it


def test_message_counts_are_looked_at_in_small_steps() -> None:
    writing = Writing()
    for number in range(64):
        writing.rig.bot_stats[f"bot-{number}"] = BotStats()
        writing.rig.apply(racer(f"bot-{number}"))
    writing.refresh()
    assert writing.refresh() == 4


def test_a_bot_that_comes_back_as_another_between_two_pages() -> None:
    writing = Writing()
    writing.rig.bot_stats["alpha"] = BotStats()
    writing.rig.apply(racer("alpha", "alttp"), *connected("alpha"))
    writing.refresh()
    writing.rig.apply(ev.BotRemoved("alpha", 20.0), racer("alpha", "sm", at=21.0))
    writing.refresh()
    blocks = writing.blocks()
    assert (
        blocks["bot_connection_attempts_total"][0]
        == b'bot_connection_attempts_total{bot="alpha",platform="racetime"} 0.0\n'
    )
    assert b'category="sm"' in blocks["bot_info"][0]
    assert b"alttp" not in blocks["bot_info"][0] + b"".join(blocks["bot_races"])
    other = replace(RACING, name="elsewhere")
    writing.rig.apply(ev.BotRemoved("alpha", 22.0), ev.BotAdded("alpha", 23.0, other, "sm", active=True))
    writing.refresh()
    blocks = writing.blocks()
    assert b'platform="elsewhere"' in blocks["bot_info"][0]
    assert blocks["bot_races"] == [b""] * len(blocks["bot_races"])


def test_what_happens_between_two_steps_waits_for_the_next_time_or_is_written() -> None:
    writing = Writing()
    writing.rig.apply(racer("alpha"), racer("delta"), racer("echo"))
    steps = writing.fleet.refresh()
    next(steps)
    writing.rig.apply(ev.BotRemoved("alpha", 2.0), ev.BotStopped("delta", 2.0), ev.BotRemoved("echo", 2.0))
    exhaust(steps)
    active = writing.blocks()["bot_active"][0]
    assert (
        active == b'bot_active{bot="alpha",platform="racetime"} 1.0\nbot_active{bot="delta",platform="racetime"} 0.0\n'
    )
    writing.refresh()
    assert writing.blocks()["bot_active"][0] == b'bot_active{bot="delta",platform="racetime"} 0.0\n'


class Stubborn(str):
    """A category that cannot be written as long as it is broken."""

    __slots__ = ()
    broken: ClassVar[bool] = True

    def replace(self, *replaced: Any) -> str:
        if self.broken:
            raise RuntimeError("broken")
        return super().replace(*replaced)


def test_a_step_that_fails_is_done_again() -> None:
    writing, category = Writing(), Stubborn("a stubborn one")
    writing.rig.apply(racer("alpha", category), racer("delta"))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"):
            writing.refresh()
    Stubborn.broken = False
    writing.refresh()
    for name in ("bot_info", "bot_up", "bot_crashes_total", "bot_state_transitions_total"):
        assert b'"alpha"' in writing.blocks()[name][0], name


def test_draining_reaches_bots_that_are_written_already() -> None:
    writing = Writing()
    writing.rig.apply(racer("alpha"), *connected("alpha"))
    for draining in (False, True, False):
        writing.rig.process.draining = draining
        writing.refresh()
        assert writing.blocks()["bot_available"][0].endswith(b" 0.0\n" if draining else b" 1.0\n")


def test_a_bot_is_written_again_for_what_another_bot_reports() -> None:
    writing = Writing()
    writing.rig.apply(racer("alpha"), racer("delta"))
    for bot in ("alpha", "delta"):
        writing.rig.apply(ev.RaceUpdated(bot, 2.0, race("one-1", RaceState.IN_PROGRESS)))
    writing.refresh()
    writing.rig.apply(ev.RaceUpdated("delta", 3.0, race("one-1", RaceState.FINISHED)))
    writing.refresh()
    finished = writing.blocks()["bot_races_finished_total"][0].decode()
    assert 'bot="alpha",platform="racetime",outcome="finished"} 1.0\n' in finished  # the first one in the room


def test_what_was_counted_is_written_although_nothing_else_changed() -> None:
    writing = Writing()
    writing.rig.apply(racer("alpha"))
    writing.refresh()
    record = writing.rig.store.bots["alpha"]
    writing.rig.counters.on_change(ev.BotChange(ev.ConnectStarted("alpha", 2.0), "alpha", record, record))
    writing.refresh()
    assert writing.blocks()["bot_connection_attempts_total"][0].endswith(b" 1.0\n")
    assert writing.rig.counters.counted == {}


def test_a_bot_with_a_socket_to_a_room_that_it_does_not_follow() -> None:
    writing = Writing()
    writing.rig.apply(racer("alpha"), racer("delta"), ev.RaceUpdated("alpha", 2.0, race("one-1")))
    writing.refresh()
    writing.rig.apply(ev.RoomConnected("delta", 3.0, "alttp/one-1"))
    writing.refresh()
    assert b'bot="delta",platform="racetime",connected="true"} 1.0\n' in writing.blocks()["bot_race_rooms"][0]


def test_a_column_packs_what_it_joins() -> None:
    column = Column()
    for slot in range(BLOCK + 2):
        column.grow()
        column.put(slot, f"line {slot}\n".encode())
    column.put(3, b"")
    exhaust(column.pack(ZLIB))
    exhaust(column.join())
    member = Member(ZLIB)
    column.append_to(member)
    text = gzip.decompress(b"".join(member.close()))
    assert text == b"".join(column.joined())
    assert len(text) == column.size
    assert b"line 3\n" not in text
