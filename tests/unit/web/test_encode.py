"""Records as JSON: the parts that no server is needed for."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.record import replace
from exporter.model.status import BotRecord, LobbyPlayer, LobbyRecord
from exporter.process import ProcessState
from exporter.store import StatusStore
from exporter.web import encode
from exporter.web.answers import encoded, problem_answer
from tests import fleet
from tests.web.fleet import DOTA2, RACETIME, lobby


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (None, None),
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_800_000_000.9996, "2027-01-15T08:00:00.999Z"),
        (-1.5, "1969-12-31T23:59:58.500Z"),
        (1e18, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_timestamps(at: float | None, text: str | None) -> None:
    assert encode.timestamp(at) == text


@given(st.floats())
def test_no_time_breaks_an_answer(at: float) -> None:
    text = encode.timestamp(at)
    assert text is None or (text.endswith("Z") and text[-5] == ".")


def test_unknown_facts_are_an_error_at_start() -> None:
    encode.check_traits([DOTA2, RACETIME])
    with pytest.raises(ValueError, match=r"platform testing: .*\['hat'\]"):
        encode.check_traits([replace(fleet.TRAITS, facts=("races", "hat"))])


@pytest.mark.parametrize(
    ("state", "steam", "coordinator"),
    [
        ("disconnected", False, False),
        ("connecting", False, False),
        ("steam_online", True, False),
        ("gc_connected", True, True),
        ("in_lobby", True, True),
        ("in_game", True, True),
    ],
)
def test_what_a_dota2_bot_is_connected_to(state: str, steam: bool, coordinator: bool) -> None:
    shown = encode.bot(BotRecord("b", DOTA2, "u", is_active=True, state=state), draining=False)
    assert (shown["steam_connected"], shown["gc_connected"], shown["current_lobby_id"]) == (steam, coordinator, None)


@given(st.lists(st.sampled_from(["radiant", "dire", "spectator", "unassigned"])))
def test_players_are_counted_by_team(teams: list[str]) -> None:
    players = tuple(LobbyPlayer(2**63 + number, "p", team, None) for number, team in enumerate(teams))
    shown = encode.lobby(replace(lobby(), players=players, match_id=2**64 - 1), bot_username=None)
    assert shown["radiant_count"] == teams.count("radiant")
    assert shown["dire_count"] == teams.count("dire")
    assert shown["spectator_count"] == teams.count("spectator")
    assert shown["match_id"] == "18446744073709551615"
    assert [each["steam_id"] for each in shown["players"]] == [str(each.steam_id) for each in players]


def test_a_platform_nobody_announced_is_counted_too() -> None:
    store = StatusStore()
    store.apply(fleet.added("stray"))
    shown = encode.system(store, ProcessState("1", 100.0), [DOTA2], now=50.0, lobbies_created=0, logons=None)
    assert shown["bot_state_summary"]["disconnected"] == 1
    assert shown["uptime_seconds"] == 0  # a clock that was set back


@given(st.text(alphabet=st.characters()))
def test_any_text_becomes_valid_json(text: str) -> None:
    again = orjson.loads(encoded({"name": text}))["name"]
    assert again == text.encode(errors="replace").decode()


def test_problems_have_the_keys_of_rfc_9457() -> None:
    answer = problem_answer(421, "not us", "/status")
    assert isinstance(answer.body, bytes)
    assert orjson.loads(answer.body) == {
        "type": "about:blank",
        "title": "Misdirected Request",
        "status": 421,
        "detail": "not us",
        "instance": "/status",
    }


def test_an_identifier_never_is_a_number() -> None:
    record: LobbyRecord = lobby(lobby_id=0)
    assert encode.lobby(record, bot_username="u")["lobby_id"] == "0"
