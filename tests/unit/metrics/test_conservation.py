"""Whatever happens to a fleet, the sums add up."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import AuthReason, FailureReason
from exporter.model import events as ev
from exporter.model.states import DISCONNECTED, DisconnectReason, EntrantStatus, RaceState
from exporter.model.status import Maintenance
from tests.unit.metrics.rig import OPENMETRICS, RACING, TABLES, Page, Rig, race

BOTS = {"alpha": (RACING, "alttp"), "delta": (RACING, "alttp"), "echo": (RACING, "sm"), "bravo": (TABLES, "bravo-user")}
RACES = ("alttp/one-1", "alttp/two-2", "sm/one-1")


@st.composite
def facts(draw: st.DrawFn, at: float) -> ev.Event:
    """One fact about one of the bots, sensible or not."""
    bot = draw(st.sampled_from(sorted(BOTS)))
    traits, subject = BOTS[bot]
    name = draw(st.sampled_from(RACES))
    category, _, slug = name.partition("/")
    entrants = draw(st.lists(st.sampled_from(EntrantStatus), max_size=3))
    view = race(slug, draw(st.sampled_from(RaceState)), *entrants, category=category)
    failure = draw(st.sampled_from(traits.failure_reasons))
    lost = draw(st.sampled_from(traits.disconnect_reasons))
    choices: list[ev.Event] = [
        ev.BotAdded(bot, at, traits, subject, draw(st.booleans())),
        ev.BotRemoved(bot, at),
        ev.BotStarted(bot, at),
        ev.BotStopped(bot, at),
        ev.MaintenanceBegan(bot, at, Maintenance(None, "", None)),
        ev.ConnectStarted(bot, at),
        ev.StateEntered(bot, at, draw(st.sampled_from(traits.states))),
        ev.HealthProved(bot, at, 90.0),
        ev.CheckFailed(bot, at, failure, ""),
        ev.ProofExpired(bot, at, 90.0),
        ev.ConnectionFailed(bot, at, failure, "", at + 1, lost),
        ev.CredentialsRefused(bot, at, draw(st.sampled_from(traits.auth_reasons)), "", None),
        ev.BotCrashed(bot, at, "", at + 1),
        ev.Disconnected(bot, at, DisconnectReason.OTHER),
        ev.TokenIssued(bot, at, at + 10),
        ev.RaceCreated(bot, at, name),
        ev.RaceUpdated(bot, at, view),
        ev.RoomConnected(bot, at, name),
        ev.RoomDisconnected(bot, at, name),
        ev.RaceForgotten(bot, at, name),
    ]
    return draw(st.sampled_from(choices))


@st.composite
def histories(draw: st.DrawFn) -> list[ev.Event]:
    """A fleet of all the bots, and what happens to it."""
    length = draw(st.integers(0, 60))
    added: list[ev.Event] = [ev.BotAdded(bot, 0.0, traits, subject, True) for bot, (traits, subject) in BOTS.items()]
    return added + [draw(facts(float(at))) for at in range(1, length + 1)]


@dataclass
class Expected:
    """The simplest possible count of what was applied to each bot since it was added."""

    events: dict[str, Counter[str]] = field(default_factory=dict)
    entered: dict[str, Counter[str]] = field(default_factory=dict)

    def note(self, change: ev.Change) -> None:
        if not isinstance(change, ev.BotChange):
            return
        if change.after is None:
            del self.events[change.name], self.entered[change.name]
            return
        if change.before is None:
            self.events[change.name], self.entered[change.name] = Counter(), Counter()
        elif change.before.state != change.after.state:
            self.entered[change.name][change.after.state] += 1
        self.events[change.name][type(change.event).__name__] += 1


def played(history: Sequence[ev.Event]) -> tuple[Rig, Expected, Page]:
    rig, expected = Rig(), Expected()
    rig.store.subscribe(expected.note)
    rig.apply(*history)
    return rig, expected, asyncio.run(rig.page())


@given(histories())
@settings(max_examples=40, deadline=None)
def test_each_bot_is_in_one_state_with_one_status(history: Sequence[ev.Event]) -> None:
    rig, _, page = played(history)
    assert set(page.by("bot", "bot_up")) == set(rig.store.bots)
    for name, record in rig.store.bots.items():
        for label in ("state", "status"):
            shown = page.by(label, f"bot_{label}", bot=name)
            assert sum(shown.values()) == 1
            assert set(shown.values()) <= {0, 1}
        assert page.by("state", "bot_state", bot=name)[record.state] == 1
        reasons = page.by("reason", "bot_status_reason", bot=name)
        assert sum(reasons.values()) == (record.status_reason is not None)
        assert page.by("bot", "bot_up")[name] == page.by("status", "bot_status", bot=name)["connected"]


@given(histories())
@settings(max_examples=40, deadline=None)
def test_what_happened_is_counted_once(history: Sequence[ev.Event]) -> None:
    rig, expected, page = played(history)
    for name, record in rig.store.bots.items():
        events, entered = expected.events[name], expected.entered[name]
        assert page.by("bot", "bot_connection_attempts_total")[name] == events["ConnectStarted"]
        assert page.by("bot", "bot_crashes_total")[name] == events["BotCrashed"]
        failures = page.by("reason", "bot_connection_failures_total", bot=name)
        assert sum(failures.values()) == events["ConnectionFailed"]
        refusals = page.by("reason", "bot_auth_failures_total", bot=name)
        assert sum(refusals.values()) == events["CredentialsRefused"]
        transitions = page.by("state", "bot_state_transitions_total", bot=name)
        assert {state: count for state, count in transitions.items() if count} == entered
        assert sum(page.by("reason", "bot_disconnects_total", bot=name).values()) <= transitions[DISCONNECTED]
        if record.traits is RACING:
            polls = page.by("bot", "bot_racetime_polls_total")[name]
            assert polls == events["HealthProved"] + events["CheckFailed"]
            poll_failures = page.by("reason", "bot_racetime_poll_failures_total", bot=name)
            assert sum(poll_failures.values()) == events["CheckFailed"]
            assert page.by("bot", "bot_races_created_total")[name] == events["RaceCreated"]
    attempts = sum(isinstance(event, ev.ConnectStarted) for event in history)
    assert sum(page.by("platform", "bot_connect_duration_seconds_count").values()) <= attempts


@given(histories())
@settings(max_examples=40, deadline=None)
def test_every_room_of_a_configured_category_is_counted_once(history: Sequence[ev.Event]) -> None:
    rig, _, page = played(history)
    configured = {record.subject for record in rig.store.bots.values() if record.traits is RACING}
    assert set(page.by("category", "bot_races")) == configured
    for category in configured:
        rooms = [each for each in rig.store.races.values() if each.view.category == category]
        assert sum(page.by("status", "bot_races", category=category).values()) == len(rooms)
        entrants = sum(len(each.view.entrants) for each in rooms)
        assert sum(page.by("status", "bot_race_entrants", category=category).values()) == entrants
    for name, record in rig.store.bots.items():
        rooms = [each for each in rig.store.races.values() if name in each.bots]
        followed = sum(each.active or name in each.connected for each in rooms)
        rooms_shown = sum(page.by("connected", "bot_race_rooms", bot=name).values())
        assert rooms_shown == (followed if record.traits is RACING else 0)


@given(histories())
@settings(max_examples=20, deadline=None)
def test_both_parsers_read_the_same(history: Sequence[ev.Event]) -> None:
    rig, _, page = played(history)
    assert asyncio.run(rig.page(OPENMETRICS)).series("bot_") == page.series("bot_")


def test_the_reasons_of_the_invented_platforms_are_not_all_there_are() -> None:
    assert set(TABLES.auth_reasons) < set(AuthReason)
    assert set(TABLES.failure_reasons) < set(FailureReason)
