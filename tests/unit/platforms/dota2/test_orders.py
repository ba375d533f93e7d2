"""What settles an order: a scripted coordinator answers, shows, or says nothing."""

import asyncio
from collections.abc import Callable

import pytest

from exporter.errors import OrderInDoubt, OrderRefused
from exporter.platforms.dota2 import requests
from exporter.platforms.dota2.coordinator import Answered, Event, InvitationCreated
from exporter.platforms.dota2.objects import LobbyGone, LobbySeen
from exporter.platforms.dota2.orders import AlreadyInGame, BotLost, Order, OrderDesk, PendingOrder
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.wire import GcMsg, Phase, Team
from tests.unit.platforms.dota2.gc import BASE, HOST, LOBBY_ID, Person, lobby

ANN = Person(BASE + 10, Team.RADIANT, 1)
BEN = Person(BASE + 11, Team.DIRE, 1)
JOB = 5
GENERIC, JOIN, DESTROYED = GcMsg.LOBBY_RESPONSE, GcMsg.LOBBY_JOIN_RESPONSE, GcMsg.LOBBY_DESTROY_RESPONSE
GONE = LobbyGone(LOBBY_ID)


def answered(number: GcMsg, result: int, job: int | None = JOB) -> Answered:
    return Answered(number, job, result)


def seen(*people: Person, state: int = Phase.UI) -> LobbySeen:
    return LobbySeen(lobby(HOST, *people, state=state), None)


async def given(order: Order) -> tuple[OrderDesk, PendingOrder]:
    desk = OrderDesk(settle_s=3.0)
    pending = PendingOrder(order, JOB, asyncio.get_running_loop().create_future(), limit_s=10.0, due=110.0)
    desk.sent(pending)
    return desk, pending


def outcome(pending: PendingOrder) -> object:
    """Return None while it waits, True when it is confirmed, or its error."""
    if not pending.settled.done():
        return None
    return pending.settled.exception() or True


TEAMS = lobby(HOST, ANN, BEN)
SUCCESS: list[tuple[str, Callable[[], Order], list[Event]]] = [
    ("launch shows", lambda: requests.launch(TEAMS), [seen(ANN), seen(ANN, state=Phase.SERVER_SETUP)]),
    ("launch, answer first", lambda: requests.launch(TEAMS), [answered(GENERIC, 1), seen(ANN, state=Phase.RUN)]),
    ("kick shows", lambda: requests.kick(TEAMS, 10), [seen(ANN), seen(BEN)]),
    ("kick from team", lambda: requests.kick_from_team(TEAMS, 10), [seen(Person(ANN.steam_id))]),
    ("shuffle by an answer", lambda: requests.rearrangement("shuffle", TEAMS), [answered(GENERIC, 1)]),
    ("shuffle by an answer of the notes", lambda: requests.rearrangement("shuffle", TEAMS), [answered(GENERIC, 0)]),
    ("flip shows", lambda: requests.rearrangement("flip", TEAMS), [seen(ANN, BEN), seen(ANN)]),
    (
        "invitation",
        lambda: Order("invite", invited=ANN.steam_id),
        [InvitationCreated(1), InvitationCreated(ANN.steam_id)],
    ),
    ("leave", lambda: Order("leave", by_end=True), [answered(GENERIC, 1), GONE]),
    ("destroy", lambda: Order("destroy", by_end=True), [answered(DESTROYED, 0), GONE]),
    ("answer without a job", lambda: requests.rearrangement("flip", TEAMS), [answered(GENERIC, 1, None)]),
]


@pytest.mark.parametrize(("order", "events"), [row[1:] for row in SUCCESS], ids=[row[0] for row in SUCCESS])
async def test_an_order_is_confirmed_by_the_last_of_these_and_by_none_before(
    order: Callable[[], Order], events: list[Event]
) -> None:
    desk, pending = await given(order())
    for event in events[:-1]:
        assert desk.received(event, 101.0)
        assert outcome(pending) is None
    assert desk.received(events[-1], 102.0)
    assert outcome(pending) is True


REFUSALS: list[tuple[str, Order, Event, str]] = [
    (
        "launch",
        requests.launch(TEAMS),
        answered(GENERIC, 2),
        "launch: the coordinator refused it: not possible now (2)",
    ),
    ("destroy", Order("destroy", by_end=True), answered(DESTROYED, 1), "access denied (1)"),
    ("create", requests.CREATE, answered(JOIN, 13), "create: the coordinator refused it: busy (13)"),
    ("create, generic", requests.CREATE, answered(GENERIC, 12), "cooldown (12)"),
    ("create, unknown", requests.CREATE, answered(JOIN, 99), "unknown result (99)"),
    ("lobby gone", requests.launch(TEAMS), GONE, "launch: the lobby is gone"),
]


@pytest.mark.parametrize(("order", "event", "words"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
async def test_a_refusal_says_why(order: Order, event: Event, words: str) -> None:
    desk, pending = await given(order)
    desk.received(event, 101.0)
    error = outcome(pending)
    assert isinstance(error, OrderRefused)
    assert words in str(error)


async def test_already_in_game_by_the_unambiguous_answer() -> None:
    desk, pending = await given(requests.CREATE)
    desk.received(answered(JOIN, 1), 101.0)
    assert isinstance(outcome(pending), AlreadyInGame)


async def test_a_generic_one_is_success_when_the_lobby_comes_and_already_in_game_when_it_does_not() -> None:
    desk, pending = await given(requests.CREATE)
    desk.received(answered(GENERIC, 1), 101.0)
    assert (outcome(pending), desk.next_deadline) == (None, 104.0)
    desk.created()
    assert outcome(pending) is True
    desk, pending = await given(requests.CREATE)
    desk.received(answered(GENERIC, 1), 101.0)
    desk.tick(103.9)
    assert outcome(pending) is None
    desk.tick(104.0)
    assert isinstance(outcome(pending), AlreadyInGame)


@pytest.mark.parametrize(
    ("order", "answer", "words"),
    [
        (requests.launch(TEAMS), None, "launch: no confirmation within 10s: it may have happened"),
        (requests.launch(TEAMS), answered(GENERIC, 1), "the coordinator accepted it, but the lobby does not show it"),
        (requests.CREATE, None, "create: no confirmation within 10s: a lobby that appears later is destroyed"),
    ],
)
async def test_an_order_has_a_time_limit(order: Order, answer: Answered | None, words: str) -> None:
    desk, pending = await given(order)
    if answer is not None:
        desk.received(answer, 101.0)
    desk.tick(109.9)
    assert outcome(pending) is None
    desk.tick(110.0)
    error = outcome(pending)
    assert isinstance(error, OrderInDoubt)
    assert words in str(error)


async def test_a_session_that_ends_leaves_it_in_doubt() -> None:
    desk, pending = await given(requests.launch(TEAMS))
    desk.lost("the coordinator is going down")
    error = outcome(pending)
    assert isinstance(error, BotLost)
    assert "launch: the coordinator is going down, before an answer came: it may have happened" in str(error)


async def test_an_answer_to_an_older_order_settles_nothing() -> None:
    desk, pending = await given(requests.launch(TEAMS))
    assert not desk.received(answered(GENERIC, 2, job=JOB - 1), 101.0)
    assert outcome(pending) is None
    desk.dropped(pending)
    assert not desk.received(answered(GENERIC, 2), 101.0)
    assert desk.received(seen(ANN), 101.0)
    assert desk.next_deadline is None


async def test_the_end_of_another_lobby_does_not_end_a_creation() -> None:
    desk, pending = await given(requests.CREATE)
    desk.received(GONE, 101.0)
    assert outcome(pending) is None
    assert desk.creating


def test_orders_that_make_no_sense_are_refused_before_they_are_sent() -> None:
    with pytest.raises(OrderRefused, match="nobody in the lobby has the account id 99"):
        requests.kick(TEAMS, 99)
    with pytest.raises(OrderRefused, match="on no team"):
        requests.kick_from_team(lobby(HOST, Person(ANN.steam_id)), 10)
    with pytest.raises(OrderRefused, match="begun already"):
        requests.launch(lobby(HOST, state=Phase.RUN))
    for state in (Phase.SERVER_SETUP, Phase.RUN):
        with pytest.raises(OrderRefused, match="a game runs in this lobby"):
            requests.closing(lobby(HOST, state=state), abandon=False)
        assert requests.closing(lobby(HOST, state=state), abandon=True).number is GcMsg.ABANDON_GAME
    for state in (Phase.UI, Phase.POST_GAME):
        assert requests.closing(lobby(HOST, state=state), abandon=True).number is GcMsg.LOBBY_DESTROY


def test_a_creation_carries_password_and_version() -> None:
    said = pb.CMsgPracticeLobbyCreate.FromString(
        requests.creation(requests.settings_of(TEAMS), 6123).SerializeToString()
    )
    assert (said.pass_key, said.lobby_details.pass_key, said.client_version) == ("open sesame", "open sesame", 6123)
