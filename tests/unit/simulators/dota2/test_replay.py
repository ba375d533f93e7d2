"""The simulated coordinator does as the real one did: the events of each recorded lobby give its snapshots again."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import GcMsg, Phase, Team
from exporter.simulators.dota2 import Plan
from tests.unit.simulators.dota2.scene import BASE, BOT, Scene, Sent, lobbies

TRACES = json.loads((Path(__file__).parents[3] / "data" / "dota2" / "lobby-traces.json").read_text(encoding="utf-8"))[
    "traces"
]
EARLIER = 50


def steamid(person: str) -> int:
    return BOT if person == "bot" else BASE + int(person.removeprefix("p"))


def person(member: pb.CSODOTALobbyMember) -> str | None:
    if not member.id:
        return None
    return "bot" if member.id == BOT else f"p{member.id - BASE}"


def told(lobby: pb.CSODOTALobby) -> dict[str, Any]:
    """Return what a message says, as the traces put it. Heroes are chance, ids are of another world: set or not."""

    def facts(place: int) -> dict[str, Any]:
        member = lobby.all_members[place]
        return {
            "p": person(member),
            "team": member.team,
            "slot": member.slot if member.HasField("slot") else None,
            "leaver_status": member.leaver_status,
            "hero": member.HasField("hero_id"),
        }

    return {
        "state": lobby.state,
        "game_state": lobby.game_state,
        "match": lobby.HasField("match_id"),
        "server": lobby.HasField("server_id"),
        "connect": lobby.HasField("connect"),
        "match_outcome": lobby.match_outcome,
        "game_mode": lobby.game_mode,
        "server_region": lobby.server_region,
        "leader": "bot" if lobby.leader_id == BOT else "somebody else",
        "members": [facts(place) for place in lobby.member_indices],
        "left": [facts(place) for place in lobby.left_member_indices],
        "all": [person(each) for each in lobby.all_members],
        "free": list(lobby.free_member_indices),
    }


def recorded(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded snapshot in the same form."""

    def facts(member: dict[str, Any]) -> dict[str, Any]:
        return {
            **{name: member[name] for name in ("p", "team", "slot", "leaver_status")},
            "hero": member["hero_id"] is not None,
        }

    same = ("state", "game_state", "match_outcome", "game_mode", "server_region", "leader", "all", "free")
    return {
        **{name: snapshot[name] for name in same},
        "match": snapshot["match_id_set"],
        "server": snapshot["server_id_set"],
        "connect": snapshot["connect_set"],
        "members": [facts(each) for each in snapshot["members"]],
        "left": [facts(each) for each in snapshot["left_members"]],
    }


class Replay(Scene):
    """Does in the world what must have happened between two recorded snapshots."""

    def __init__(self, trace: dict[str, Any]) -> None:
        super().__init__()
        self.trace = trace
        names = [each["state_name"] for each in trace["snapshots"]]
        falls_back = any([before, after] == ["RUN", "UI"] for before, after in itertools.pairwise(names))
        self.world.plan = lambda _: Plan(loads=not falls_back)

    def begin(self, first: dict[str, Any]) -> None:
        self.online()
        league = 1 if self.trace["league_set"] else 0
        self.create(leagueid=league, game_mode=first["game_mode"], server_region=first["server_region"])
        # A log that opens in mid-lobby: come to where it begins.
        if first["members"][0]["team"] == Team.POOL and not league:
            self.seat(Team.POOL)
        for place, each in enumerate(first["all"][1:], 1):
            self.join(steamid(each) if each else BASE + EARLIER + place)
            if not each:
                self.world.leave(BASE + EARLIER + place, self.now)
        if self.trace["trace"] in {"t04", "t23"}:
            self.sent = self.sent[-1:]
            if first["via"] == "subscribe":
                self.come_back()

    def come_back(self) -> None:
        """The bot restarts and gets its lobby again."""
        self.coordinator.leave(BOT, self.now)
        self.sent.clear()
        self.coordinator.enter(BOT, self.now)
        self.hello()

    def step(self, before: dict[str, Any], after: dict[str, Any]) -> None:
        """Do what makes `after` of `before`."""
        match Phase(before["state"]), Phase(after["state"]):
            case Phase.UI, Phase.UI:
                self.move(before["members"], after["members"])
            case Phase.UI, Phase.SERVER_SETUP:
                self.launch()
            case (Phase.SERVER_SETUP, _) | (Phase.RUN, Phase.UI):
                due = self.world.timetable.next_due
                assert due is not None
                self.advance(due - self.now)
            case Phase.RUN, Phase.RUN:
                for each in after["left"]:
                    self.world.quit_game(steamid(each), self.now)
            case Phase.RUN, Phase.POST_GAME:
                self.world.finish(self.lobby, after["match_outcome"], self.now)
            case unknown:
                raise AssertionError(unknown)
        if after["via"] == "subscribe":
            self.come_back()

    def move(self, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
        """Let people leave, join and change places."""
        was, now = ({each["p"]: each for each in members} for members in (before, after))
        for each in was.keys() - now.keys():
            self.world.leave(steamid(each), self.now)
        for each in now.keys() - was.keys():
            self.join(steamid(each))
        for each in now.keys() & was.keys():
            if now[each]["team"] == was[each]["team"]:
                continue
            if each == "bot":
                self.seat(now[each]["team"])
            else:
                self.world.seat(steamid(each), now[each]["team"], now[each]["slot"] or 0, self.now)

    def play(self) -> list[Sent]:
        """Play the whole trace; returns every message to the bot in order."""
        snapshots = self.trace["snapshots"]
        self.begin(snapshots[0])
        seen = self.heard()
        for before, after in itertools.pairwise(snapshots):
            if before["state"] == Phase.UI or after["state"] == Phase.POST_GAME:
                self.advance(after["t"] - before["t"])
            self.step(before, after)
            seen += self.heard()
        return seen


@pytest.mark.parametrize("trace", TRACES, ids=[each["trace"] for each in TRACES])
def test_the_events_of_a_recorded_lobby_give_its_snapshots(trace: dict[str, Any]) -> None:
    replay = Replay(trace)
    seen = replay.play()
    expected = [recorded(each) for each in trace["snapshots"]]
    assert [told(each) for each in lobbies(seen)] == expected

    if trace["ended_cause"] == "postgame":
        replay.advance(1.0)  # "in the same second"
    elif trace["ended_cause"] == "bot_left":
        replay.say(GcMsg.LOBBY_LEAVE)
    else:
        return  # its own end was not seen
    last = [each for each in replay.heard() if each.number == GcMsg.CACHE_UNSUBSCRIBED]
    assert len(last) == 1
    assert replay.world.lobby_of(BOT) is None


@pytest.mark.parametrize(
    "trace",
    [each for each in TRACES if each["launched"] and each["t_resolution"] < 1],
    ids=lambda each: each["trace"],
)
def test_a_launch_takes_the_time_that_launches_took(trace: dict[str, Any]) -> None:
    seen = Replay(trace).play()
    at = [(each.at, told(lobbies([each])[0])) for each in seen if lobbies([each])]
    moments = {(lobby["state"], lobby["server"]): when for when, lobby in reversed(at) if lobby["state"] != Phase.UI}
    launched = moments[Phase.SERVER_SETUP, False]
    found, runs = moments[Phase.SERVER_SETUP, True], moments[Phase.RUN, True]
    assert 0.2 <= found - launched <= 0.6
    assert 0.4 <= runs - found <= 0.7
    back = [when for when, lobby in at if lobby["state"] == Phase.UI and when > runs]
    assert all(30.4 <= when - runs <= 30.7 for when in back)


def test_the_traces_hold_every_way_a_lobby_can_go() -> None:
    """If the file were replaced by a poorer one, the tests above would prove less than they say."""
    ends = {(each["launched"], each["snapshots"][-1]["state_name"]) for each in TRACES}
    assert ends == {(False, "UI"), (True, "UI"), (True, "RUN"), (True, "POSTGAME")}
    assert len(TRACES) == 24
