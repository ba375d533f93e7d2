"""What a client may ask of the feed, and what it then gets."""

import pytest

from exporter.web.stream.filters import BadParameter, Filter, parse

PLATFORMS = ("dota2", "racetime")
BOTS = {"dire": "dire", "dire_account": "dire", "alttpr": "alttpr"}
OF_DIRE = frozenset({("dota2", "dire")})
OF_BOTH = frozenset({("dota2", "dire"), ("racetime", "alttpr")})


def wanted(**given: list[str]) -> Filter:
    return parse(given, PLATFORMS, BOTS, complete=True)


def test_nothing_asked_is_everything() -> None:
    assert wanted(kind=[""], platform=[], bot=[""]) == Filter()
    assert all(Filter().wants(kind, ()) for kind in ("bot", "lobby", "race", "system"))


def test_values_of_one_parameter_are_alternatives_and_parameters_must_all_hold() -> None:
    asked = wanted(kind=["bot", "race"], platform=["racetime"], bot=["dire", "alttpr"])
    assert asked.wants("race", OF_BOTH)
    assert not asked.wants("lobby", OF_BOTH)
    assert not asked.wants("bot", OF_DIRE)
    assert not wanted(platform=["racetime"], bot=["dire"]).wants("race", OF_BOTH)  # each owner by itself


def test_a_bot_goes_by_its_username_too() -> None:
    assert wanted(bot=["dire_account"]) == wanted(bot=["dire"])


def test_the_system_belongs_to_no_bot() -> None:
    assert wanted(kind=["system"]).wants("system", ())
    assert not wanted(kind=["bot"]).wants("system", ())
    assert not wanted(bot=["dire"]).wants("system", ())
    assert wanted(bot=["dire"], kind=["bot", "system"]).wants("system", ())


@pytest.mark.parametrize(
    ("given", "named"),
    [({"kind": ["bots"]}, "kind"), ({"platform": ["steam"]}, "platform"), ({"bot": ["dire", "nobody"]}, "bot")],
)
def test_what_does_not_exist_is_named(given: dict[str, list[str]], named: str) -> None:
    with pytest.raises(BadParameter, match=rf"^{named} cannot be '{given[named][-1]}'"):
        wanted(**given)


def test_a_bot_may_still_come_while_the_fleet_is_not_complete() -> None:
    assert parse({"bot": ["nobody"]}, PLATFORMS, BOTS, complete=False).wants("bot", frozenset({("dota2", "nobody")}))
