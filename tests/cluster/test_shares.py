"""Who is to run which bot: everybody has a fair share, a balanced fleet stays as it is, and pins are kept."""

from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from exporter.cluster.shares import Pins, Share, View, share

ANY: Pins = frozenset()
NAMES = ("a", "b", "c", "d")


def plans(
    members: frozenset[str], bots: Mapping[str, Pins], owners: Mapping[str, str], leaving: frozenset[str] = frozenset()
) -> dict[str, Share]:
    """What each instance would do when all see the same."""
    return {me: share(View(me, members, bots, owners, leaving)) for me in sorted(members | leaving)}


def carried_out(
    members: frozenset[str], bots: Mapping[str, Pins], owners: dict[str, str], leaving: frozenset[str] = frozenset()
) -> tuple[dict[str, str], int]:
    """Let everybody do its part until nobody does anything; returns who has which bot, and how many were given back."""
    given_back = 0
    for _ in range(20):
        done = plans(members, bots, owners, leaving)
        for me, plan in done.items():
            for bot in plan.give:
                assert owners.pop(bot) == me
                given_back += 1
        for me, plan in done.items():
            for bot in plan.claim:
                assert bot not in owners, "two instances claimed the same bot"
                owners[bot] = me
        if not any(plan.claim or plan.give for plan in done.values()):
            return owners, given_back
    raise AssertionError("the plans never come to rest")


def fleet(number: int) -> dict[str, Pins]:
    return {f"bot-{each:03}": ANY for each in range(number)}


def test_free_bots_are_shared_out_at_once() -> None:
    owners, moved = carried_out(frozenset("abc"), fleet(100), {})
    assert sorted(Counter(owners.values()).values()) == [33, 33, 34]
    assert moved == 0


def test_a_newcomer_gets_its_share_and_no_bot_moves_more_than_once() -> None:
    bots = fleet(90)
    owners, moved = carried_out(frozenset("abc"), bots, {bot: "ab"[n % 2] for n, bot in enumerate(bots)})
    assert Counter(owners.values()) == {"a": 30, "b": 30, "c": 30}
    assert moved == 30


def test_the_bots_of_a_dead_instance_go_to_those_that_are_left_and_no_other_moves() -> None:
    bots = fleet(90)
    before = {bot: "abc"[n % 3] for n, bot in enumerate(bots)}
    owners, moved = carried_out(frozenset("ab"), bots, {bot: owner for bot, owner in before.items() if owner != "c"})
    assert Counter(owners.values()) == {"a": 45, "b": 45}
    assert moved == 0


def test_one_more_or_less_is_balance_enough() -> None:
    bots = fleet(7)
    owners = {bot: "abc"[n % 3] for n, bot in enumerate(bots)}
    assert all(plan == Share() for plan in plans(frozenset("abc"), bots, owners).values())


def test_pinned_bots_run_nowhere_else() -> None:
    bots = {**fleet(10), "x": frozenset({"b"}), "y": frozenset({"gone"})}
    owners, _ = carried_out(frozenset("ab"), bots, {"x": "a"})
    assert owners["x"] == "b"
    assert "y" not in owners
    assert Counter(owners.values()) == {"a": 5, "b": 6} or Counter(owners.values()) == {"a": 6, "b": 5}


def test_bots_that_are_busy_or_that_nobody_wanted_stay() -> None:
    bots = fleet(4)
    view = View("a", frozenset("ab"), bots, dict.fromkeys(bots, "a"), settled={"bot-000", "bot-001", "bot-002"})
    assert share(view).give == ("bot-003",)


def test_bots_that_are_not_connected_are_given_first() -> None:
    bots = fleet(4)
    view = View("a", frozenset("ab"), bots, dict.fromkeys(bots, "a"), idle_first={"bot-000", "bot-001"})
    assert set(share(view).give) == {"bot-000", "bot-001"}


def test_whoever_drains_gives_back_what_has_no_work_and_claims_nothing() -> None:
    bots = fleet(6)
    owners = {"bot-000": "a", "bot-001": "a", "bot-002": "b"}
    view = View("a", frozenset("b"), bots, owners, leaving=frozenset("a"), settled={"bot-001"})
    assert share(view) == Share(claim=(), give=("bot-000",))


def test_the_last_one_keeps_its_bots_although_it_drains() -> None:
    bots = fleet(3)
    assert share(View("a", frozenset(), bots, dict.fromkeys(bots, "a"), leaving=frozenset("a"))) == Share()


def test_a_bot_that_the_one_who_should_does_not_take_is_anybodys() -> None:
    bots = fleet(1)
    assert share(View("b", frozenset("ab"), bots, {})) == Share()
    assert share(View("b", frozenset("ab"), bots, {}, overdue={"bot-000"})) == Share(claim=("bot-000",))


_pins = st.one_of(st.just(ANY), st.frozensets(st.sampled_from(NAMES), min_size=1, max_size=3))


@given(
    members=st.frozensets(st.sampled_from(NAMES), min_size=1),
    pins=st.lists(st.tuples(_pins, st.sampled_from((None, *NAMES))), max_size=40),
)
def test_everything_that_can_be_is_owned_in_the_end_and_then_nothing_moves(
    members: frozenset[str], pins: list[tuple[Pins, str | None]]
) -> None:
    bots = {f"bot-{number:02}": each for number, (each, _) in enumerate(pins)}
    start = {
        f"bot-{number:02}": owner for number, (_, owner) in enumerate(pins) if owner is not None and owner in members
    }
    owners, moved = carried_out(members, bots, dict(start))
    for bot, able in bots.items():
        assert (bot in owners) == bool(not able or able & members)
        if bot in owners and able:
            assert owners[bot] in able
    load = Counter(dict.fromkeys(members, 0)) + Counter(owners.values())
    for bot, owner in owners.items():
        takers = members & bots[bot] if bots[bot] else members
        assert all(load[owner] - load[taker] < 2 for taker in takers), "a bot could have moved for a better balance"
    assert moved <= len(bots), "no bot moves more than once"


@given(st.integers(1, 60), st.frozensets(st.sampled_from(NAMES), min_size=1), st.randoms(use_true_random=False))
def test_no_more_bots_move_than_must(number: int, members: frozenset[str], chance: object) -> None:
    bots = fleet(number)
    start = {bot: chance.choice(sorted(members)) for bot in bots}  # type: ignore[attr-defined]
    owners, moved = carried_out(members, bots, dict(start))
    load = Counter(start.values())
    most, fewest_over = -(-number // len(members)), number % len(members) or len(members)
    over = sorted((load[each] for each in members), reverse=True)
    must = sum(max(0, each - (most if place < fewest_over else most - 1)) for place, each in enumerate(over))
    assert moved == must
    shares = [Counter(owners.values())[each] for each in members]
    assert max(shares) - min(shares) <= 1
