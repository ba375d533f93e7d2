"""What a bot knows of its lobbies over sessions and time."""

from exporter.model import events as ev
from exporter.model.states import LobbyState
from exporter.model.status import BotRecord, LobbyRecord
from exporter.platforms.dota2.settings import LobbySettings
from exporter.platforms.dota2.wire import Phase, Team
from exporter.store import StatusStore
from tests.unit.platforms.dota2 import gc
from tests.unit.platforms.dota2.hosting_rig import HostingRig

SETTINGS = LobbySettings(gc.NAME, gc.PASSWORD)


class Scene(HostingRig):
    """A store, and a bot's lobbies in it."""

    def __init__(self) -> None:
        self.unexpected: list[ev.Change] = []
        self.told: list[ev.Event] = []
        self.store = StatusStore(on_unexpected=self.unexpected.append)
        super().__init__(self._report)

    @property
    def bot(self) -> BotRecord:
        return self.store.bots["alice"]

    @property
    def lobbies(self) -> list[LobbyRecord]:
        return list(self.store.lobbies.values())

    def _report(self, event: ev.Event) -> None:
        self.told.append(event)
        self.store.apply(event)

    def see(self, *people: gc.Person, now: float = 10.0, **fields: object) -> LobbyRecord:
        self.play(*gc.subscribed(gc.lobby(*people, **fields)), now)  # type: ignore[arg-type]
        (record,) = [each for each in self.lobbies if each.active]
        return record


def test_a_lobby_that_is_asked_for_is_shown_and_keeps_its_bot_from_other_work() -> None:
    scene = Scene()
    scene.hosting.create_began(SETTINGS, None)
    (record,) = scene.lobbies
    assert (record.key, record.state, record.lobby_id) == ("alice", LobbyState.CREATING, None)
    assert (scene.bot.creating_lobby, scene.bot.busy, scene.bot.ready) == (True, True, False)
    scene.hosting.not_created(SETTINGS, 1.0, unwanted=False)
    assert (scene.lobbies, scene.bot.creating_lobby) == ([], False)


def test_who_is_expected_holds_for_the_lobby_that_was_asked_for_and_for_no_other() -> None:
    scene, ann = Scene(), gc.Person(gc.BASE + 10, Team.RADIANT, 1)
    scene.hosting.create_began(SETTINGS, 1)
    scene.hosting.created(gc.LOBBY_ID, scene.clock.monotonic())
    assert scene.see().state is LobbyState.WAITING
    assert scene.see(gc.HOST, ann).state is LobbyState.READY
    scene.hosting.out_of_sight()
    assert scene.see(gc.HOST, ann).state is LobbyState.READY
    scene.play(*gc.unsubscribed(), 20.0)
    assert scene.see(gc.HOST, ann, lobby_id=8).state is LobbyState.WAITING
    scene.hosting.create_began(SETTINGS, 1)
    scene.hosting.not_created(SETTINGS, 21.0, unwanted=True)
    assert scene.see(gc.HOST, ann, lobby_id=9).state is LobbyState.WAITING


def test_who_is_expected_is_told_once_the_lobby_is_there() -> None:
    scene = Scene()
    scene.hosting.create_began(SETTINGS, (gc.BASE + 10,))
    scene.hosting.created(gc.LOBBY_ID, scene.clock.monotonic() + 0.5)
    assert scene.told[-1] == ev.LobbyCreated("alice", scene.clock.now(), gc.LOBBY_ID, 0.5, (gc.BASE + 10,))


def test_of_a_lobby_that_is_found_whoever_knows_is_asked_who_is_expected() -> None:
    scene, ann = Scene(), gc.Person(gc.BASE + 10, Team.RADIANT, 1)
    assert scene.see(gc.HOST, ann).state is LobbyState.WAITING, "nobody knows it yet: the database is away"
    scene.known[gc.LOBBY_ID] = (gc.BASE + 10, gc.BASE + 11)
    assert scene.see(gc.HOST, ann).state is LobbyState.WAITING
    assert scene.see(gc.HOST, ann, gc.Person(gc.BASE + 11, Team.DIRE, 1)).state is LobbyState.READY
    scene.known.clear()
    assert scene.see(gc.HOST, ann, gc.Person(gc.BASE + 11, Team.DIRE, 2)).state is LobbyState.READY, "it is known now"


def test_a_session_that_ends_and_one_that_brings_it_again() -> None:
    scene = Scene()
    scene.see()
    scene.hosting.out_of_sight()
    (record,) = scene.lobbies
    assert (record.watched, record.state, scene.bot.current_lobby_id) == (False, LobbyState.WAITING, gc.LOBBY_ID)
    assert (scene.hosting.lobby, scene.hosting.state) == (None, "gc_connected")
    assert scene.hosting.session_began(20.0, with_lobby=True) is None
    assert scene.see(now=20.0).watched
    assert (scene.hosting.state, scene.hosting.next_deadline) == ("in_lobby", None)


def test_a_session_without_it_means_that_it_is_gone() -> None:
    scene = Scene()
    scene.see(state=Phase.RUN, match_id=9)
    assert scene.hosting.state == "in_game"
    scene.hosting.out_of_sight()
    assert scene.hosting.session_began(20.0, with_lobby=False) == gc.LOBBY_ID
    scene.hosting.tick(24.9)
    assert scene.lobbies[0].active
    scene.hosting.tick(25.0)
    (record,) = scene.lobbies
    assert (record.state, record.match_outcome, scene.bot.current_lobby_id) == (LobbyState.FINISHED, "unknown", None)


def test_a_lobby_that_comes_a_little_later_than_the_welcome_is_there() -> None:
    scene = Scene()
    scene.see()
    scene.hosting.out_of_sight()
    scene.hosting.session_began(20.0, with_lobby=False)
    assert scene.see(now=22.0).watched
    scene.hosting.tick(99.0)
    assert scene.lobbies[0].active


def test_a_cache_that_is_said_to_be_current_is_there() -> None:
    scene = Scene()
    scene.see()
    scene.hosting.out_of_sight()
    scene.hosting.session_began(20.0, with_lobby=False)
    scene.hosting.current(4711)
    assert not scene.lobbies[0].watched
    scene.hosting.current(gc.LOBBY_ID)
    scene.hosting.tick(99.0)
    assert scene.lobbies[0].watched


def test_a_finished_lobby_is_shown_for_ten_minutes() -> None:
    scene = Scene()
    scene.see()
    scene.play(*gc.unsubscribed(), 100.0)
    assert scene.hosting.next_deadline == 700.0
    scene.hosting.tick(699.9)
    assert len(scene.lobbies) == 1
    scene.hosting.tick(700.0)
    assert scene.lobbies == []
    assert scene.hosting.next_deadline is None


def test_a_lobby_whose_game_is_over_is_left_if_it_stays() -> None:
    scene = Scene()
    scene.see(state=Phase.RUN, match_id=9)
    scene.play(*gc.several(modified=[gc.lobby(state=Phase.POST_GAME, match_outcome=2)]), 100.0)
    (record,) = scene.lobbies
    assert (record.state, record.match_outcome, record.watched) == (LobbyState.FINISHED, "radiant", True)
    assert (scene.hosting.state, scene.bot.current_lobby_id) == ("in_lobby", gc.LOBBY_ID)
    for now in (109.9, 110.0, 120.0):
        scene.hosting.tick(now)
    assert scene.left == 1
    scene.play(*gc.unsubscribed(), 121.0)
    assert (scene.hosting.state, scene.bot.current_lobby_id) == ("gc_connected", None)
    assert scene.lobbies[0].match_outcome == "radiant"


async def test_nothing_is_reported_that_is_no_news() -> None:
    scene = Scene()
    changes: list[ev.Change] = []
    scene.see()
    scene.store.subscribe(changes.append)
    await scene.later(60)
    scene.see(now=70.0)
    assert changes == []


async def test_since_when_it_is_in_its_state() -> None:
    scene = Scene()
    first = scene.see()
    await scene.later(60)
    ann = gc.Person(gc.BASE + 10, Team.RADIANT, 1)
    joined = scene.see(gc.HOST, ann)
    assert (joined.state_since, joined.created_at) == (first.state_since, first.created_at)
    assert scene.see(gc.HOST, ann, state=Phase.RUN).state_since == first.state_since + 60


def test_the_bot_moves_to_the_pool_once_and_shows_when_that_is_ignored() -> None:
    scene = Scene()
    seated = gc.Person(gc.BOT, Team.RADIANT, 1)
    assert scene.see(seated).bot_team == "radiant"
    assert scene.hosting.must_move(10.0)
    assert not scene.hosting.must_move(11.0)
    assert scene.hosting.next_deadline == 15.0
    scene.hosting.tick(15.0)
    assert not scene.hosting.must_move(16.0)
    assert scene.lobbies[0].bot_team == "radiant"


def test_the_bot_does_not_move_during_a_game() -> None:
    scene = Scene()
    scene.see(gc.Person(gc.BOT, Team.RADIANT, 1), state=Phase.SERVER_SETUP)
    assert not scene.hosting.must_move(10.0)


def test_a_lobby_that_comes_too_late_is_known_by_name_and_password() -> None:
    scene = Scene()
    scene.hosting.create_began(SETTINGS, None)
    scene.hosting.not_created(SETTINGS, 1.0, unwanted=True)
    assert not scene.hosting.unwanted(gc.lobby(game_name="another"), 2.0)
    assert not scene.hosting.unwanted(gc.lobby(pass_key="another"), 2.0)
    assert scene.hosting.unwanted(gc.lobby(), 2.0)
    assert not scene.hosting.unwanted(gc.lobby(), 2.0)


def test_another_lobby_ends_the_one_before() -> None:
    scene = Scene()
    scene.see()
    scene.play(*gc.subscribed(gc.lobby(lobby_id=8), owner_id=8), 20.0)
    assert [(each.lobby_id, each.active) for each in scene.lobbies] == [(gc.LOBBY_ID, False), (8, True)]
    assert scene.bot.current_lobby_id == 8
    assert scene.unexpected == []
