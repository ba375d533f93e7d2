"""Every recorded lobby, replayed as shared-object messages: states, people and teams are those of the record.

What is expected is computed from the record's own fields by the rules of its description (tests/data/dota2), not by the
code under test.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.model import events as ev
from exporter.model.status import BotRecord, LobbyRecord
from exporter.platforms.dota2.objects import LobbyGone, LobbySeen
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import GcMsg
from exporter.store import StatusStore
from tests.unit.platforms.dota2 import gc
from tests.unit.platforms.dota2.hosting_rig import HostingRig

FILE = Path(__file__).parents[3] / "data" / "dota2" / "lobby-traces.json"
TRACES: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["traces"]
TEAMS = {0: "radiant", 1: "dire", 4: "unassigned"}
Json = dict[str, Any]


def steam_id(person: str) -> int:
    return gc.BOT if person == "bot" else gc.BASE + 100 + int(person[1:])


def message(snapshot: Json) -> tuple[pb.CSODOTALobby, pb.CSODOTAStaticLobby]:
    """Return a snapshot as the objects that brought it. An emptied place looks like a radiant player."""
    said = pb.CSODOTALobby(
        lobby_id=gc.LOBBY_ID,
        state=snapshot["state"],
        game_state=snapshot["game_state"],
        game_mode=snapshot["game_mode"],
        server_region=snapshot["server_region"],
        leader_id=steam_id(snapshot["leader"]),
        game_name="lobby",
    )
    if snapshot["match_id_set"]:
        said.match_id = snapshot["match_id"]
    if snapshot["server_id_set"]:
        said.server_id = 90071992547409920
    if snapshot["connect_set"]:
        said.connect = "=[A:1:1:1]"
    if snapshot["match_outcome"]:
        said.match_outcome = snapshot["match_outcome"]
    facts = {each["p"]: each for each in (*snapshot["members"], *snapshot["left_members"])}
    for person in snapshot["all"]:
        if person is None:
            said.all_members.add(team=0)
            continue
        fact = facts[person]
        member = said.all_members.add(
            id=steam_id(person), team=fact["team"], leaver_status=fact["leaver_status"], coach_team=5
        )
        if fact["slot"] is not None:
            member.slot = fact["slot"]
        if fact["hero_id"] is not None:
            member.hero_id = fact["hero_id"]
    said.member_indices.extend(snapshot["all"].index(each["p"]) for each in snapshot["members"])
    said.left_member_indices.extend(snapshot["all"].index(person) for person in snapshot["left"])
    said.free_member_indices.extend(snapshot["free"])
    return said, gc.static(*(gc.Person(0, name=f"name of {person or 'nobody'}") for person in snapshot["all"]))


def wanted_state(snapshot: Json) -> str:
    """By the table of the protocol notes: nobody said who is expected, so an open lobby waits."""
    return {"UI": "waiting", "SERVERSETUP": "ready", "RUN": "in_game", "POSTGAME": "finished"}[snapshot["state_name"]]


def wanted_people(snapshot: Json) -> list[tuple[int, str, str, int | None]]:
    """Return the live people without the bot: id, name, team, and the slot unless they are in the pool."""
    return [
        (
            steam_id(each["p"]),
            f"name of {each['p']}",
            TEAMS[each["team"]],
            each["slot"] if TEAMS[each["team"]] != "unassigned" else None,
        )
        for each in snapshot["members"]
        if each["p"] != "bot"
    ]


def people(record: LobbyRecord) -> list[tuple[int, str | None, str, int | None]]:
    return [(each.steam_id, each.name, each.team, each.slot) for each in record.players]


def messages(trace: Json) -> Iterator[tuple[Json, tuple[int, bytes]]]:
    """Yield each snapshot and the message that brought it."""
    for number, snapshot in enumerate(trace["snapshots"]):
        objects = message(snapshot)
        if snapshot["via"] == "subscribe" or number == 0:
            yield snapshot, gc.subscribed(*objects)
        elif number % 2:
            yield snapshot, gc.several(modified=objects)
        else:
            yield snapshot, gc.single(GcMsg.OBJECT_UPDATED, objects[0])


@dataclass
class Replay:
    """One recorded lobby, hosted by a bot of a real store."""

    rig: HostingRig
    store: StatusStore
    unexpected: list[ev.Change]

    @property
    def record(self) -> LobbyRecord:
        return self.store.lobbies[str(gc.LOBBY_ID)]

    @property
    def bot(self) -> BotRecord:
        return self.store.bots["alice"]


@pytest.fixture
def replay() -> Replay:
    unexpected: list[ev.Change] = []
    store = StatusStore(on_unexpected=unexpected.append)
    return Replay(HostingRig(store.apply), store, unexpected)


@pytest.mark.parametrize("trace", TRACES, ids=[each["trace"] for each in TRACES])
def test_a_recorded_lobby(trace: Json, replay: Replay) -> None:
    rig, now = replay.rig, 0.0
    names: dict[int, str] = {}
    for snapshot, (msgtype, payload) in messages(trace):
        now = float(snapshot["t"])
        rig.play(msgtype, payload, now)
        record = replay.record
        assert str(record.state) == wanted_state(snapshot), snapshot
        # An update of the lobby alone keeps the names that are known; who is new has none until the names come.
        known = [(each.steam_id, each.team, each.slot) for each in record.players]
        assert known == [(who, team, slot) for who, _, team, slot in wanted_people(snapshot)]
        names |= {each.steam_id: each.name for each in record.players if each.name}
        counted = Counter(each.team for each in record.players)
        for team, number in (("radiant", 0), ("dire", 1)):
            seats = [each for each in snapshot["members"] if each["team"] == number and each["p"] != "bot"]
            assert counted[team] == len(seats)
        (host,) = [each for each in snapshot["members"] if each["p"] == "bot"]
        assert record.bot_team == TEAMS[host["team"]]
        assert record.match_id == (snapshot["match_id"] or None)
        assert (record.server_region, record.server_region_name) == (snapshot["server_region"], "SEA")
        assert (record.game_mode, record.game_mode_name) == (21, "1V1MID")
        assert replay.bot.current_lobby_id == gc.LOBBY_ID
    assert all(name == f"name of p{who - gc.BASE - 100}" for who, name in names.items())
    _the_end(trace, replay)
    assert replay.unexpected == []
    assert dict(rig.stats.protocol_errors) == {}


def _the_end(trace: Json, replay: Replay) -> None:
    last = trace["snapshots"][-1]
    if trace["ended_by"] != "cache_unsubscribed":
        assert replay.record.active
        return
    replay.rig.play(*gc.unsubscribed(), float(trace["ended_t"]))
    outcomes = {("postgame", 2): "radiant", ("postgame", 3): "dire", ("bot_left", 0): "no_match"}
    wanted = outcomes[trace["ended_cause"], last["match_outcome"]]
    assert (str(replay.record.state), replay.record.match_outcome) == ("finished", wanted)
    assert replay.bot.current_lobby_id is None


def test_all_of_them_were_replayed() -> None:
    paths = Counter(wanted_state(snapshot) for trace in TRACES for snapshot in trace["snapshots"])
    assert len(TRACES) == 24
    assert set(paths) == {"waiting", "ready", "in_game", "finished"}
    fell_back = [
        trace["trace"]
        for trace in TRACES
        for before, after in zip(trace["snapshots"], trace["snapshots"][1:], strict=False)
        if (before["state_name"], after["state_name"]) == ("RUN", "UI")
    ]
    assert len(fell_back) >= 2


def test_a_game_whose_lobby_vanishes_has_an_unknown_outcome(replay: Replay) -> None:
    (trace,) = [each for each in TRACES if each["trace"] == "t14"]
    for snapshot, received in messages(trace):
        replay.rig.play(*received, float(snapshot["t"]))
    replay.rig.play(*gc.unsubscribed(), 999.0)
    assert (str(replay.record.state), replay.record.match_outcome) == ("finished", "unknown")
    assert replay.record.match_id == trace["snapshots"][-1]["match_id"]


def test_events_of_a_replay_are_what_the_objects_are() -> None:
    desk = gc.Desk().welcomed()
    (trace,) = [each for each in TRACES if each["trace"] == "t03"]
    seen = [event for _, received in messages(trace) for event in desk.get(received)]
    assert [type(each) for each in seen] == [LobbySeen] * len(trace["snapshots"])
    assert desk.get(gc.unsubscribed()) == [LobbyGone(gc.LOBBY_ID)]
