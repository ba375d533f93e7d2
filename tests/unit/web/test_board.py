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
from exporter.web.board import Board, Texts
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


def joined(texts: Texts) -> bytes:
    return b"".join(piece.text for piece in texts.pieces())


def same(rig: Rig, board: Board) -> None:
    asyncio.run(board.refreshed(Pace()))
    for kind, objects in plain(rig).items():
        assert orjson.loads(b"[" + joined(getattr(board, kind)) + b"]") == orjson.loads(encoded(objects)), kind
    expected = FleetCounts.of(rig.store)
    counts = board.counts()
    assert [getattr(counts, each) for each in COUNTS] == [getattr(expected, each) for each in COUNTS]
    assert +counts.states == +expected.states
    assert +counts.statuses == +expected.statuses


@given(st.lists(st.lists(steps(), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_kept_texts_are_the_ones_that_would_be_written_now(rounds: list[list[Step]], block: int) -> None:
    rig = Rig(PLATFORMS)
    rig.apply(racer("alpha"), racer("delta"))
    board = Board(rig.store, rig.process, block)
    for happened in rounds:
        for step in happened:
            step(rig)
        same(rig, board)


def test_a_text_is_written_again_only_when_its_object_changed() -> None:
    rig = Rig()
    rig.apply(racer("alpha"), racer("delta"))
    board = Board(rig.store, rig.process)
    asyncio.run(board.refreshed(Pace()))
    before, version = joined(board.bots), board.bots.version
    asyncio.run(board.refreshed(Pace()))
    assert joined(board.bots) == before
    rig.apply(ev.RoomConnected("alpha", 2.0, "alttp/unheard-of"))  # changes no bot
    asyncio.run(board.refreshed(Pace()))
    assert (joined(board.bots), board.bots.version) == (before, version)
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
    assert b'"bot_username":"another"' in joined(board.lobbies)
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


def test_only_blocks_in_which_something_changed_are_put_together_and_compressed_again() -> None:
    rig = Rig()
    rig.apply(*(racer(f"bot-{number}") for number in range(9)))
    board = Board(rig.store, rig.process, 4)
    same(rig, board)
    before = board.bots.pieces()
    packed = [piece.packed(ZLIB) for piece in before]
    assert [joined(board.bots).count(b'{"name"'), len(before)] == [9, 3]
    rig.apply(*connected("bot-5"))
    same(rig, board)
    after = board.bots.pieces()
    assert [was is now for was, now in zip(before, after, strict=True)] == [True, False, True]
    assert [was is piece.packed(ZLIB) for was, piece in zip(packed, after, strict=True)] == [True, False, True]


def test_blocks_that_are_empty_go() -> None:
    rig = Rig()
    rig.apply(*(racer(f"bot-{number}") for number in range(9)))
    board = Board(rig.store, rig.process, 4)
    same(rig, board)
    rig.apply(*(ev.BotRemoved(f"bot-{number}", 2.0) for number in range(4)))
    same(rig, board)
    assert len(board.bots.pieces()) == 2
    rig.apply(*(ev.BotRemoved(f"bot-{number}", 2.0) for number in range(4, 9)), racer("bot-0"))
    same(rig, board)
    assert len(board.bots.pieces()) == 1
