"""A coordinator without sockets, a bot that hosts there, and what the bot is told."""

from dataclasses import dataclass
from typing import Any

from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import CLIENT_SESSION_NEED, GcMsg, ObjectType, Team
from exporter.platforms.steam.framing import NO_JOB, Header
from exporter.simulators.dota2 import Coordinator, Lobby, Policy, Style

NOW = 1_800_000_000.0
BASE = 76561197960265728
BOT = BASE + 1_001
OTHER_BOT = BASE + 1_002
ANN, BEN, CID = BASE + 11, BASE + 12, BASE + 13
NAMES = {ANN: "Ann", BEN: "Ben", CID: "Cid"}
JOB = 77


@dataclass(frozen=True)
class Sent:
    """One message of the coordinator as it left it."""

    at: float
    steamid: int
    number: int
    job: int
    body: bytes

    @property
    def result(self) -> int:
        """Return the result in an answer."""
        return pb.CMsgPracticeLobbyJoinResponse.FromString(self.body).result


class Scene:
    """`now` is moved by hand; `sent` is all that went out."""

    def __init__(self, policy: Policy | None = None, style: Style | None = None) -> None:
        self.now = NOW
        self.sent: list[Sent] = []
        self.coordinator = Coordinator(policy=policy, style=style)
        self.coordinator.attach(self._note)
        self.world = self.coordinator.world
        self.world.names.update(NAMES)

    def _note(self, steamid: int, msgtype: int, header: Header, body: bytes) -> None:
        self.sent.append(Sent(self.now, steamid, msgtype, header.jobid_target, body))

    def heard(self, steamid: int = BOT) -> list[Sent]:
        """Return what somebody was told since the last time, and forget it."""
        heard = [each for each in self.sent if each.steamid == steamid]
        self.sent = [each for each in self.sent if each.steamid != steamid]
        return heard

    def numbers(self, steamid: int = BOT) -> list[int]:
        """Return the numbers of what somebody was told since the last time."""
        return [each.number for each in self.heard(steamid)]

    def advance(self, seconds: float) -> None:
        """Let time pass, and each thing happen at its own moment."""
        end = self.now + seconds
        while (due := self.world.timetable.next_due) is not None and due <= end:
            self.now = due
            self.coordinator.advance(due)
        self.now = end
        self.coordinator.advance(end)

    # what a bot says

    def say(self, number: int, body: Any = None, *, who: int = BOT, job: int = JOB) -> None:
        data = body if isinstance(body, bytes) else body.SerializeToString() if body is not None else b""
        self.coordinator.receive(who, number, Header(jobid_source=job), data, self.now)

    def hello(self, who: int = BOT) -> None:
        self.say(
            GcMsg.HELLO, pb.CMsgClientHello(client_session_need=CLIENT_SESSION_NEED, engine=1), who=who, job=NO_JOB
        )

    def online(self, who: int = BOT) -> None:
        """Let somebody begin a session."""
        self.coordinator.enter(who, self.now)
        self.hello(who)
        self.heard(who)

    def create(self, who: int = BOT, **details: Any) -> None:
        details = {"game_name": "a lobby", "pass_key": "secret"} | details
        self.say(GcMsg.LOBBY_CREATE, pb.CMsgPracticeLobbyCreate(lobby_details=details), who=who)

    def seat(self, team: int, slot: int = 0, who: int = BOT) -> None:
        self.say(GcMsg.LOBBY_SET_TEAM_SLOT, pb.CMsgPracticeLobbySetTeamSlot(team=team, slot=slot), who=who)

    def launch(self) -> None:
        self.say(GcMsg.LOBBY_LAUNCH, pb.CMsgPracticeLobbyLaunch(client_version=1))

    # what people do

    @property
    def lobby(self) -> Lobby:
        lobby = self.world.lobby_of(BOT)
        assert lobby is not None
        return lobby

    def join(self, *people: int) -> None:
        for each in people:
            self.world.join(self.lobby, each, self.now, self.lobby.settings.pass_key)

    def hosting(self, *players: int) -> Lobby:
        """Return a lobby whose host is in the pool and whose players sit on radiant and dire in turn."""
        self.online()
        self.create(leagueid=7)
        for number, each in enumerate(players):
            self.join(each)
            self.world.seat(each, Team(number % 2), 0, self.now)
        self.heard()
        return self.lobby

    def playing(self, *players: int) -> Lobby:
        """Return such a lobby in which the game runs."""
        lobby = self.hosting(*players)
        self.launch()
        self.advance(1.0)
        self.heard()
        return lobby


def lobbies(heard: list[Sent]) -> list[pb.CSODOTALobby]:
    """Return each lobby object in these messages."""
    return [pb.CSODOTALobby.FromString(data) for type_id, data in objects(heard) if type_id == ObjectType.LOBBY]


def names(heard: list[Sent]) -> list[list[str]]:
    """Return the names in each static lobby in these messages."""
    found = (data for type_id, data in objects(heard) if type_id == ObjectType.STATIC_LOBBY)
    return [[each.name for each in pb.CSODOTAStaticLobby.FromString(data).all_members] for data in found]


def objects(heard: list[Sent]) -> list[tuple[int, bytes]]:
    """Return each object in these messages, whatever message brought it."""
    found: list[tuple[int, bytes]] = []
    for each in heard:
        match each.number:
            case GcMsg.OBJECT_CREATED | GcMsg.OBJECT_UPDATED:
                single = pb.CMsgSOSingleObject.FromString(each.body)
                found.append((single.type_id, single.object_data))
            case GcMsg.OBJECTS_UPDATED:
                changed = pb.CMsgSOMultipleObjects.FromString(each.body).objects_modified
                found += [(one.type_id, one.object_data) for one in changed]
            case GcMsg.CACHE_SUBSCRIBED:
                found += _in_cache(pb.CMsgSOCacheSubscribed.FromString(each.body))
            case GcMsg.WELCOME:
                for cache in pb.CMsgClientWelcome.FromString(each.body).outofdate_subscribed_caches:
                    found += _in_cache(cache)
    return found


def _in_cache(cache: pb.CMsgSOCacheSubscribed) -> list[tuple[int, bytes]]:
    return [(each.type_id, data) for each in cache.objects for data in each.object_data]
