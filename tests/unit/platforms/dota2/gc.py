"""A scripted coordinator as data: its messages in their envelopes, and lobbies to put into them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message

from exporter.platforms.dota2.coordinator import Coordinator, Event
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import OWNER_LOBBY, GcMsg, ObjectType, Phase, Team
from exporter.platforms.steam.framing import NO_JOB, PROTOBUF_BIT, Frame, Header, decode_frame, encode_frame
from exporter.stats import BotStats

BASE = 0x0110000100000000
BOT = BASE + 1
LOBBY_ID = 27213735673277236
NAME = "finals"
PASSWORD = "open sesame"


@dataclass(frozen=True)
class Person:
    """Somebody in a lobby: `place` is the position in the list of all members."""

    steam_id: int
    team: int = Team.POOL
    slot: int | None = None
    name: str = ""
    leaver_status: int = 1


HOST = Person(BOT, name="the bot", slot=0)


def lobby(*people: Person, lobby_id: int = LOBBY_ID, state: int = Phase.UI, **fields: object) -> pb.CSODOTALobby:
    """Return a lobby with these people, in order, all of them live."""
    facts = {"game_name": NAME, "pass_key": PASSWORD, "server_region": 2, "game_mode": 1, "leader_id": BOT} | fields
    said = pb.CSODOTALobby(lobby_id=lobby_id, state=state, **facts)  # type: ignore[arg-type]
    for index, each in enumerate(people or (HOST,)):
        said.all_members.add(id=each.steam_id, team=each.team, slot=each.slot, leaver_status=each.leaver_status)
        said.member_indices.append(index)
    return said


def static(*people: Person) -> pb.CSODOTAStaticLobby:
    """Return the static part of a lobby with these people."""
    return pb.CSODOTAStaticLobby(all_members=[pb.CSODOTAStaticLobbyMember(name=each.name) for each in people])


def envelope(number: int, body: Message | bytes, job: int = NO_JOB) -> tuple[int, bytes]:
    """Return a message as Steam hands it over."""
    data = body if isinstance(body, bytes) else body.SerializeToString()
    return number | PROTOBUF_BIT, encode_frame(number, Header(jobid_target=job), data)


def owner(owner_id: int = LOBBY_ID) -> pb.CMsgSOIDOwner:
    return pb.CMsgSOIDOwner(type=OWNER_LOBBY, id=owner_id)


def objects(*messages: Message) -> list[tuple[int, bytes]]:
    """Return shared objects with their types."""
    kinds: dict[type[Message], int] = {
        pb.CSODOTALobby: ObjectType.LOBBY,
        pb.CSODOTAStaticLobby: ObjectType.STATIC_LOBBY,
    }
    return [(kinds[type(each)], each.SerializeToString()) for each in messages]


def cache(found: Iterable[tuple[int, bytes]], owner_id: int = LOBBY_ID) -> pb.CMsgSOCacheSubscribed:
    said = pb.CMsgSOCacheSubscribed(version=1, owner_soid=owner(owner_id))
    for kind, data in found:
        said.objects.add(type_id=kind, object_data=[data])
    return said


def subscribed(*messages: Message, owner_id: int = LOBBY_ID) -> tuple[int, bytes]:
    return envelope(GcMsg.CACHE_SUBSCRIBED, cache(objects(*messages), owner_id))


def unsubscribed(owner_id: int = LOBBY_ID) -> tuple[int, bytes]:
    return envelope(GcMsg.CACHE_UNSUBSCRIBED, pb.CMsgSOCacheUnsubscribed(owner_soid=owner(owner_id)))


def single(number: int, message: Message, owner_id: int = LOBBY_ID) -> tuple[int, bytes]:
    """Return a message about one object."""
    ((kind, data),) = objects(message)
    said = pb.CMsgSOSingleObject(type_id=kind, object_data=data, version=2, owner_soid=owner(owner_id))
    return envelope(number, said)


def several(
    modified: Sequence[Message] = (), added: Sequence[Message] = (), removed: Sequence[Message] = ()
) -> tuple[int, bytes]:
    """Return a message about several objects."""
    said = pb.CMsgSOMultipleObjects(version=3, owner_soid=owner())
    for into, messages in (
        (said.objects_modified, modified),
        (said.objects_added, added),
        (said.objects_removed, removed),
    ):
        for kind, data in objects(*messages):
            into.add(type_id=kind, object_data=data)
    return envelope(GcMsg.OBJECTS_UPDATED, said)


def welcome(*caches: pb.CMsgSOCacheSubscribed) -> tuple[int, bytes]:
    return envelope(GcMsg.WELCOME, pb.CMsgClientWelcome(version=6123, outofdate_subscribed_caches=list(caches)))


def status(value: int, **queue: int) -> tuple[int, bytes]:
    return envelope(GcMsg.CONNECTION_STATUS, pb.CMsgConnectionStatus(status=value, **queue))


def answer(number: int, result: int, job: int = NO_JOB) -> tuple[int, bytes]:
    """Return an answer with a result, 7055, 7113 or 8247."""
    return envelope(number, pb.CMsgPracticeLobbyJoinResponse(result=result), job)


class Desk:
    """A coordinator session under test, and its counts."""

    def __init__(self) -> None:
        self.stats = BotStats()
        self.gc = Coordinator(self.stats, BOT)

    def get(self, *messages: tuple[int, bytes], now: float = 10.0) -> list[Event]:
        return [event for each in messages for event in self.gc.receive(*each, now)]

    def sent(self) -> list[Frame]:
        return [decode_frame(payload) for _, payload in self.gc.data_to_send()]

    def numbers(self) -> list[int]:
        return [each.number for each in self.sent()]

    def welcomed(self) -> "Desk":
        self.gc.start(0.0)
        self.gc.tick(1.0)
        self.get(welcome(), now=1.0)
        self.sent()
        return self
