"""Whatever happens to a fleet, the kept texts are those that would be written now, in the same order."""

import asyncio
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import events as ev
from exporter.model.states import LobbyState
from exporter.packing import ZLIB
from exporter.slices import Pace
from exporter.web import encode
from exporter.web.answers import encoded
from exporter.web.board import Board
from exporter.web.counts import FleetCounts
from tests.unit.metrics.rig import STEAM, TABLES, Rig, connected, lobby, racer
from tests.unit.metrics.test_oracle import PLATFORMS, Step, steps

COUNTS = ("bots", "lobbies", "races", "busy", "free")


def plain(rig: Rig) -> dict[str, Any]:
    """Return the lists as they are without any texts kept."""
    bots, draining = rig.store.bots, rig.process.draining
    return {
        "bots": [encode.bot(record, draining=draining) for record in bots.values()],
        "lobbies": [
            encode.lobby(record, bot_username=bots[record.bot].subject if record.bot in bots else None)
            for record in rig.store.lobbies.values()
        ],
        "races": [encode.race(record) for record in rig.store.races.values()],
    }


def same(rig: Rig, board: Board) -> None:
    asyncio.run(board.refreshed(Pace()))
    for kind, objects in plain(rig).items():
        assert orjson.loads(b"[" + getattr(board, kind).joined() + b"]") == orjson.loads(encoded(objects)), kind
    expected = FleetCounts.of(rig.store)
    counts = board.counts()
    assert [getattr(counts, each) for each in COUNTS] == [getattr(expected, each) for each in COUNTS]
    assert +counts.states == +expected.states
    assert +counts.statuses == +expected.statuses


@given(st.lists(st.lists(steps(), min_size=1, max_size=8), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_kept_texts_are_the_ones_that_would_be_written_now(rounds: list[list[Step]]) -> None:
    rig = Rig(PLATFORMS)
    rig.apply(racer("alpha"), racer("delta"))
    board = Board(rig.store, rig.process)
    for happened in rounds:
        for step in happened:
            step(rig)
        same(rig, board)


def test_a_text_is_written_again_only_when_its_object_changed() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), racer("delta"))
    board = Board(rig.store, rig.process)
    asyncio.run(board.refreshed(Pace()))
    before, version = board.bots.joined(), board.bots.version
    asyncio.run(board.refreshed(Pace()))
    assert board.bots.joined() is before
    rig.apply(ev.RoomConnected("alpha", 2.0, "alttp/unheard-of"))  # changes no bot
    asyncio.run(board.refreshed(Pace()))
    assert (board.bots.joined(), board.bots.version) == (before, version)
    rig.apply(*connected("delta"))
    asyncio.run(board.refreshed(Pace()))
    assert board.bots.version == version + 1


def test_one_that_comes_again_comes_last() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), racer("delta"))
    board = Board(rig.store, rig.process)
    rig.apply(ev.BotStopped("alpha", 2.0), ev.BotStopped("delta", 2.0), ev.BotRemoved("alpha", 3.0), racer("alpha"))
    same(rig, board)
    rig.apply(ev.BotRemoved("delta", 4.0), racer("delta"), ev.BotRemoved("alpha", 5.0))
    same(rig, board)


def test_a_lobby_follows_the_username_of_its_bot() -> None:
    rig = Rig(PLATFORMS)
    rig.apply(ev.BotAdded("dire", 1.0, STEAM, "one", active=True))
    rig.apply(ev.LobbyUpdated("dire", 2.0, lobby("dire", 7, LobbyState.WAITING)))
    board = Board(rig.store, rig.process)
    same(rig, board)
    rig.apply(ev.BotRemoved("dire", 3.0), ev.BotAdded("dire", 4.0, STEAM, "another", active=True))
    same(rig, board)
    assert b'"bot_username":"another"' in board.lobbies.joined()
    rig.apply(ev.BotRemoved("dire", 5.0))
    same(rig, board)


def test_several_may_ask_while_it_is_written() -> None:
    rig = Rig()
    board = Board(rig.store, rig.process)
    rig.apply(*(ev.BotAdded(f"bot-{number}", 1.0, TABLES, "somebody", active=True) for number in range(50)))

    async def everybody() -> None:
        hasty = [asyncio.create_task(board.refreshed(Pace(slice_s=0.0))) for _ in range(3)]
        await asyncio.sleep(0)
        rig.apply(ev.BotRemoved("bot-7", 2.0), ev.BotStopped("bot-1", 2.0), ev.BotRemoved("bot-49", 2.0))
        await asyncio.gather(*hasty)

    asyncio.run(everybody())
    same(rig, board)
    assert len(rig.store.bots) == 48


async def test_what_is_compressed_is_kept_as_long_as_nothing_changes() -> None:
    rig = Rig()
    rig.apply(racer("alpha"))
    board = Board(rig.store, rig.process)
    await board.refreshed(Pace())
    text = board.bots.joined()
    first = await board.bots.packed(text, ZLIB, Pace())
    assert await board.bots.packed(text, ZLIB, Pace()) is first
    rig.apply(*connected("alpha"))
    await board.refreshed(Pace())
    assert await board.bots.packed(board.bots.joined(), ZLIB, Pace()) != first
