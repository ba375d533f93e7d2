"""The mapping from the coordinator's lobby to a record: states, people, outcomes, and the traps of the notes."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.states import LOBBY_OUTCOMES, LobbyState
from exporter.model.status import ExpectedPlayers, LobbyRecord
from exporter.platforms.dota2.lobby import account_id, creating_record, gone_record, lobby_record
from exporter.platforms.dota2.proto import dota2_pb2 as pb
from exporter.platforms.dota2.settings import LobbySettings
from exporter.platforms.dota2.wire import Phase, Team
from tests.unit.platforms.dota2.gc import BASE, BOT, HOST, LOBBY_ID, PASSWORD, Person, lobby, static

ANN = Person(BASE + 10, Team.RADIANT, 1, "Ann")
BEN = Person(BASE + 11, Team.DIRE, 5, "Ben")
AT = 1_800_000_000.0


class Mapper:
    def __init__(self) -> None:
        self.odd: Counter[str] = Counter()

    def __call__(
        self,
        said: pb.CSODOTALobby,
        names: pb.CSODOTAStaticLobby | None = None,
        *,
        expected: ExpectedPlayers = None,
        before: LobbyRecord | None = None,
    ) -> LobbyRecord:
        return lobby_record(
            said,
            names,
            bot="alice",
            steamid=BOT,
            at=AT,
            expected=expected,
            before=before,
            note=lambda kind: self.odd.update([kind]),
        )


@pytest.fixture
def read() -> Mapper:
    return Mapper()


@pytest.mark.parametrize(
    ("phase", "state"),
    [
        (Phase.UI, "waiting"),
        (Phase.READY_UP, "ready"),
        (Phase.NOT_READY, "ready"),
        (Phase.SERVER_SETUP, "ready"),
        (Phase.SERVER_ASSIGN, "ready"),
        (Phase.RUN, "in_game"),
        (Phase.POST_GAME, "finished"),
    ],
)
def test_every_phase(read: Mapper, phase: Phase, state: str) -> None:
    assert str(read(lobby(HOST, ANN, state=phase)).state) == state


@pytest.mark.parametrize(
    ("expected", "state"),
    [
        (None, "waiting"),
        (2, "ready"),
        (3, "waiting"),
        ((ANN.steam_id, BEN.steam_id), "ready"),
        ((ANN.steam_id, BASE + 99), "waiting"),
    ],
)
def test_an_open_lobby_is_ready_when_the_expected_players_sit(
    read: Mapper, expected: ExpectedPlayers, state: str
) -> None:
    assert str(read(lobby(HOST, ANN, BEN), expected=expected).state) == state


def test_nobody_in_the_pool_counts_as_seated_and_neither_does_the_bot(read: Mapper) -> None:
    host, ann = replace(HOST, team=Team.RADIANT, slot=1), replace(ANN, team=Team.POOL, slot=None)
    record = read(lobby(host, ann), expected=1)
    assert (str(record.state), record.bot_team) == ("waiting", "radiant")
    assert [each.steam_id for each in record.players] == [ANN.steam_id]


def test_an_unknown_phase_leaves_the_state_as_it_was(read: Mapper) -> None:
    before = read(lobby(HOST, state=Phase.RUN))
    assert read(lobby(HOST, state=42), before=before).state is LobbyState.IN_GAME
    assert read(lobby(HOST, state=42)).state is LobbyState.WAITING
    assert read.odd == {"lobby_value": 2}


def test_people_and_their_seats(read: Mapper) -> None:
    spectator = Person(BASE + 12, Team.SPECTATOR, 1, "Cam")
    caster = Person(BASE + 13, Team.BROADCASTER, 2, "Dot")
    pool = Person(BASE + 14, Team.POOL, None, "Eve")
    stray = Person(BASE + 15, Team.NO_TEAM, 3, "Flo")
    everybody = (HOST, ANN, BEN, spectator, caster, pool, stray)
    record = read(lobby(*everybody), static(*everybody))
    assert [(each.name, each.team, each.slot) for each in record.players] == [
        ("Ann", "radiant", 1),
        ("Ben", "dire", 5),
        ("Cam", "spectator", 1),
        ("Dot", "spectator", 2),
        ("Eve", "unassigned", None),
        ("Flo", "unassigned", None),
    ]
    assert record.bot_team == "unassigned"
    assert read.odd == {}


def test_a_place_that_was_given_up_is_no_radiant_player(read: Mapper) -> None:
    said = lobby(HOST, ANN)
    said.all_members.add(team=0)
    said.free_member_indices.append(2)
    assert [each.steam_id for each in read(said).players] == [ANN.steam_id]
    assert read.odd == {}


def test_who_left_a_running_game_is_gone(read: Mapper) -> None:
    said = lobby(HOST, ANN, BEN, state=Phase.RUN)
    said.member_indices[:] = [0, 2]
    said.left_member_indices.append(1)
    assert [each.steam_id for each in read(said).players] == [BEN.steam_id]


def test_leaver_status_is_not_read(read: Mapper) -> None:
    assert len(read(lobby(HOST, replace(ANN, leaver_status=1))).players) == 1


def test_names_that_are_not_known(read: Mapper) -> None:
    assert [each.name for each in read(lobby(HOST, ANN)).players] == [None]
    assert [each.name for each in read(lobby(HOST, ANN), static(HOST)).players] == [None]


def test_indices_that_lead_nowhere_are_counted(read: Mapper) -> None:
    said = lobby(HOST, ANN)
    said.all_members.add(team=0)
    said.member_indices.extend([1, 2, 99])
    assert [each.steam_id for each in read(said).players] == [ANN.steam_id]
    assert read.odd == {"lobby_member": 3}


def test_text_that_is_no_utf_8_is_shown_somehow(read: Mapper) -> None:
    names = pb.CSODOTAStaticLobby.FromString(b"\x0a\x02\x0a\x00\x0a\x03\x0a\x01\xff")
    assert [each.name for each in read(lobby(HOST, ANN), names).players] == ["\N{REPLACEMENT CHARACTER}"]


def test_an_unknown_team_is_unassigned_and_counted(read: Mapper) -> None:
    assert [each.team for each in read(lobby(HOST, replace(ANN, team=17))).players] == ["unassigned"]
    assert read.odd == {"lobby_value": 1}


@pytest.mark.parametrize(
    ("number", "word"),
    [
        *((0, "unknown"), (2, "radiant"), (3, "dire"), (4, "neutral"), (5, "no_winner"), (6, "custom"), (13, "custom")),
        *((64, "network"), (65, "leaver"), (66, "server_crash"), (67, "never_started"), (68, "cancelled")),
        *((69, "suspicious"), (1, "unknown"), (14, "unknown"), (4711, "unknown")),
    ],
)
def test_every_outcome(read: Mapper, number: int, word: str) -> None:
    record = read(lobby(HOST, state=Phase.POST_GAME, match_outcome=number, match_id=7))
    assert record.match_outcome == word
    assert word in LOBBY_OUTCOMES


def test_there_is_no_outcome_before_the_end(read: Mapper) -> None:
    assert read(lobby(HOST, state=Phase.RUN, match_outcome=2)).match_outcome is None


def test_players_who_fail_to_load_take_the_game_back(read: Mapper) -> None:
    running = read(lobby(HOST, ANN, state=Phase.RUN, match_id=101))
    assert (running.state, running.match_id) == (LobbyState.IN_GAME, 101)
    back = read(lobby(HOST, ANN), before=running)
    assert (back.state, back.match_id) == (LobbyState.WAITING, None)


def test_what_is_shown_of_the_settings(read: Mapper) -> None:
    record = read(lobby(HOST, server_region=37, game_mode=99, lobby_creation_time=1_700_000_000))
    assert (record.key, record.lobby_id, record.name) == (str(LOBBY_ID), LOBBY_ID, "finals")
    assert (record.server_region_name, record.game_mode_name) == ("taiwan", "99")
    assert (record.created_at, record.has_password) == (1_700_000_000.0, True)
    assert not read(lobby(HOST, pass_key="")).has_password
    assert PASSWORD not in repr(record)


@pytest.mark.parametrize(
    ("phase", "match_id", "outcome"),
    [
        (Phase.UI, 0, "no_match"),
        (Phase.SERVER_SETUP, 101, "unknown"),
        (Phase.RUN, 101, "unknown"),
        (Phase.POST_GAME, 101, "radiant"),
    ],
)
def test_a_lobby_that_is_gone(read: Mapper, phase: Phase, match_id: int, outcome: str) -> None:
    gone = gone_record(read(lobby(HOST, state=phase, match_id=match_id, match_outcome=2)))
    assert (gone.state, gone.match_outcome, gone.watched) == (LobbyState.FINISHED, outcome, False)
    assert gone.match_id == (match_id or None)


def test_a_lobby_that_is_asked_for() -> None:
    record = creating_record(LobbySettings("finals", PASSWORD, 3, 22), bot="alice", at=AT)
    assert (record.key, record.lobby_id, record.state) == ("alice", None, LobbyState.CREATING)
    assert (record.server_region_name, record.game_mode_name, record.has_password) == ("EUW", "ALL_DRAFT", True)
    assert PASSWORD not in repr(record)


def test_the_account_id_is_the_lower_half() -> None:
    assert account_id(76561197960287930) == 22202


@given(data=st.binary(max_size=200))
def test_no_bytes_that_can_be_read_make_it_raise(data: bytes) -> None:
    said = lobby(HOST, ANN)
    try:
        said.MergeFromString(data)
    except Exception:  # noqa: BLE001  (what protobuf refuses is not the mapper's affair)
        return
    read = Mapper()
    record = read(said, static(HOST, ANN))
    assert record.state in LobbyState
    assert set(read.odd) <= {"lobby_value", "lobby_member"}
