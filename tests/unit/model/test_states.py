"""The words of the contract, literally, and the tables of expected transitions."""

import itertools

import pytest

from exporter.model.states import BotStatus, RaceState, race_expects
from tests.fleet import TRAITS


def test_statuses_are_those_of_the_seed_document() -> None:
    assert [(s.word, int(s), s.icon, s.display) for s in BotStatus] == [
        ("unknown", 0, "help", "Unknown"),
        ("connected", 1, "check_circle", "Connected"),
        ("auth_failed", 2, "key_off", "Auth Failed"),
        ("connection_error", 3, "error", "Connection Error"),
        ("disconnected", 4, "cloud_off", "Disconnected"),
    ]


@pytest.mark.parametrize("before", TRAITS.states)
def test_every_state_may_end_in_disconnected(before: str) -> None:
    assert TRAITS.expects(before, "disconnected")


@pytest.mark.parametrize(
    ("before", "after"), [("disconnected", "online"), ("online", "connecting"), ("connecting", "in_race")]
)
def test_skipping_a_step_is_unexpected(before: str, after: str) -> None:
    assert not TRAITS.expects(before, after)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (RaceState.OPEN, RaceState.INVITATIONAL, True),
        (RaceState.OPEN, RaceState.FINISHED, True),  # snapshots between were missed
        (RaceState.FINISHED, RaceState.IN_PROGRESS, True),  # a finish was undone
        (RaceState.CANCELLED, RaceState.IN_PROGRESS, True),
        (RaceState.FINISHED, RaceState.CANCELLED, True),
        (RaceState.IN_PROGRESS, RaceState.OPEN, False),
        (RaceState.FINISHED, RaceState.PENDING, False),
        (RaceState.PARTITIONED, RaceState.OPEN, False),
        (RaceState.UNKNOWN, RaceState.OPEN, True),
    ],
)
def test_expected_race_transitions(before: RaceState, after: RaceState, expected: bool) -> None:
    assert race_expects(before, after) is expected


def test_reasons_are_listed_once_though_two_lists_share_a_word() -> None:
    assert TRAITS.status_reasons.count("other") == 1
    assert all(a != b for a, b in itertools.combinations(TRAITS.status_reasons, 2))
