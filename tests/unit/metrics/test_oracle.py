"""Whatever happens to a fleet, the page says what a plain collector would, to both of prometheus_client's parsers."""

import asyncio
import gzip
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace as copied
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric

from exporter.errors import AuthReason, FailureReason
from exporter.metrics.catalogue import FAMILIES, Stability
from exporter.metrics.columns import BLOCK
from exporter.metrics.figures import BOT_VALUES, NO_MESSAGES, BotFigures
from exporter.metrics.lines import number
from exporter.model import events as ev
from exporter.model.record import replace
from exporter.model.states import BotStatus, CreateFailure, EntrantStatus, LobbyState, RaceState
from exporter.model.status import BotRecord, LobbyRecord, Maintenance, RaceView
from exporter.packing import ZLIB, Codec, fastest
from exporter.stats import BotStats, LogonStats, OrderStats, StorageStats, StreamStats
from tests.unit.metrics import oracle
from tests.unit.metrics.rig import OPENMETRICS, RACING, STEAM, TABLES, Rig, connected, lobby, race

OURS = frozenset(name for name, family in FAMILIES.items() if family.stability is not Stability.EXTERNAL)
ORDER = [family.openmetrics_name for family in FAMILIES.values()]
PLATFORMS = (RACING, TABLES, STEAM)
NAMES = ("alpha", "b.ravo", "char-lie", "delta", "echo_5")
SUBJECTS = st.sampled_from(("alttp", "sm")) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
NUMBERS = st.floats() | st.integers(0, 2**70).map(float)
Step = Callable[[Rig], object]


def plain_families(rig: Rig) -> Iterable[Metric]:
    """Return the families as a plain collector gives them."""
    sources = oracle.Sources(
        rig.store,
        rig.counters,
        rig.bot_stats,
        rig.http,
        rig.loop,
        rig.process,
        PLATFORMS,
        lambda _: False,
        lambda: rig.logons,
        StorageStats(),
        OrderStats(),
        StreamStats(),
    )
    return oracle.FleetCollector(sources.snapshot(), oracle.process_registry(), OURS).collect()


def said(families: Iterable[Metric]) -> dict[str, Any]:
    return {
        family.name: (
            family.type,
            family.documentation,
            sorted((each.name, sorted(each.labels.items()), number(float(each.value))) for each in family.samples),
        )
        for family in families
    }


def same(rig: Rig) -> None:
    expected = said(plain_families(rig))
    for accept in (None, OPENMETRICS):
        page = asyncio.run(rig.page(accept, *OURS))
        shown = said(page.families)
        assert [name for name in ORDER if name in shown] == list(shown)
        assert shown == expected


def applied(event: ev.Event) -> Step:
    return lambda rig: rig.apply(event)


def a_race(draw: st.DrawFn) -> RaceView:
    people = draw(st.lists(st.sampled_from(EntrantStatus), max_size=3))
    slug, category = draw(st.sampled_from(("one-1", "two-2"))), draw(st.sampled_from(("alttp", "sm")))
    return race(slug, draw(st.sampled_from(RaceState)), *people, category=category)


def a_lobby(draw: st.DrawFn, bot: str) -> LobbyRecord:
    people = draw(st.lists(st.sampled_from(("radiant", "dire", "spectator")), max_size=3))
    table = lobby(bot, draw(st.integers(1, 4)), draw(st.sampled_from(LobbyState)), *people, match_outcome="dire")
    if draw(st.booleans()):
        return table
    return replace(table, key=bot, lobby_id=None, created_at=draw(st.floats(0, 2e9)))


# One fact about a bot, sensible or not.
FACTS: dict[str, Callable[[st.DrawFn, str, float], ev.Event]] = {
    "added": lambda draw, bot, at: ev.BotAdded(bot, at, draw(st.sampled_from(PLATFORMS)), draw(SUBJECTS), True),
    "removed": lambda _, bot, at: ev.BotRemoved(bot, at),
    "stopped": lambda _, bot, at: ev.BotStopped(bot, at),
    "started": lambda _, bot, at: ev.BotStarted(bot, at),
    "maintenance": lambda _, bot, at: ev.MaintenanceBegan(bot, at, Maintenance(None, "", None)),
    "attempt": lambda _, bot, at: ev.ConnectStarted(bot, at),
    "entered": lambda draw, bot, at: ev.StateEntered(bot, at, draw(st.sampled_from(RACING.states + STEAM.states))),
    "proved": lambda _, bot, at: ev.HealthProved(bot, at, 90.0),
    "check": lambda draw, bot, at: ev.CheckFailed(bot, at, draw(st.sampled_from(FailureReason)), 'said "no"'),
    "refused": lambda draw, bot, at: ev.CredentialsRefused(
        bot, at, draw(st.sampled_from(AuthReason)), "", draw(NUMBERS)
    ),
    "code": lambda _, bot, at: ev.GuardCodeRequested(bot, at, "email", AuthReason.GUARD_CODE_REQUIRED, ""),
    "crashed": lambda draw, bot, at: ev.BotCrashed(bot, at, "", draw(NUMBERS)),
    "token": lambda draw, bot, at: ev.TokenIssued(bot, at, draw(NUMBERS)),
    "room made": lambda draw, bot, at: ev.RaceCreated(bot, at, a_race(draw).name),
    "race": lambda draw, bot, at: ev.RaceUpdated(bot, at, a_race(draw)),
    "race again": lambda draw, bot, at: ev.RaceUpdated(bot, at, a_race(draw)),
    "in": lambda draw, bot, at: ev.RoomConnected(bot, at, a_race(draw).name),
    "out": lambda draw, bot, at: ev.RoomDisconnected(bot, at, a_race(draw).name),
    "race over": lambda draw, bot, at: ev.RaceForgotten(bot, at, a_race(draw).name),
    "lobby made": lambda _, bot, at: ev.LobbyCreated(bot, at, 1, took_s=0.5),
    "lobby": lambda draw, bot, at: ev.LobbyUpdated(bot, at, a_lobby(draw, bot)),
    "lobby again": lambda draw, bot, at: ev.LobbyUpdated(bot, at, a_lobby(draw, bot)),
    "lobby over": lambda draw, bot, at: ev.LobbyForgotten(bot, at, a_lobby(draw, bot).key),
    "no lobby": lambda draw, bot, at: ev.LobbyCreateFailed(bot, at, draw(st.sampled_from(CreateFailure)), ""),
}


def messages_counted(bot: str, number: int) -> Step:
    def step(rig: Rig) -> None:
        stats = rig.bot_stats.setdefault(bot, BotStats())
        stats.messages_received += number
        stats.messages_sent += 1
        stats.unknown_messages += number % 2
        if not number % 3:
            stats.protocol_errors['an "odd" one' if number else "bad_json"] += 1

    return step


def process_changed(number: int) -> Step:
    def step(rig: Rig) -> None:
        rig.process.draining = number % 2 == 0
        rig.http.observe("/status", "GET", 200 + number, number / 2)
        rig.loop.lag.observe(number / 100)
        rig.logons = LogonStats() if rig.logons is None else None

    return step


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """One thing that happens: a fact, or figures that change without one."""
    bot, what = draw(st.sampled_from(NAMES)), draw(st.sampled_from((*FACTS, "messages", "process")))
    if what == "messages":
        return messages_counted(bot, draw(st.integers(0, 9)))
    if what == "process":
        return process_changed(draw(st.integers(0, 9)))
    return applied(FACTS[what](draw, bot, draw(st.floats(0, 2e9))))


def lively(**options: Any) -> Rig:
    """A fleet in the middle of its life."""
    rig = Rig(PLATFORMS, **options)
    for name, traits in zip(NAMES, (*PLATFORMS, RACING, STEAM), strict=True):
        rig.apply(ev.BotAdded(name, 1.0, traits, "alttp", active=True), *connected(name, traits.ready))
    for name in ("alpha", "delta"):
        rig.apply(ev.RaceUpdated(name, 2.0, race("one-1")))
    rig.apply(ev.LobbyUpdated("echo_5", 2.0, lobby("echo_5", 1, LobbyState.WAITING, "dire")))
    return rig


@given(st.lists(st.lists(steps(), min_size=1, max_size=8), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_page_after_any_history_is_what_a_plain_collector_gives(rounds: list[list[Step]]) -> None:
    rig = lively()
    same(rig)
    for happened in rounds:
        for step in happened:
            step(rig)
        same(rig)


@given(st.lists(st.lists(steps(), min_size=1, max_size=8), min_size=1, max_size=4), st.sampled_from((ZLIB, fastest())))
@settings(max_examples=15, deadline=None)
def test_compressed_blocks_hold_the_same_page(rounds: list[list[Step]], codec: Codec) -> None:
    rig = lively(codec=codec, small_bytes=0)
    for place in range(BLOCK + 1):
        rig.apply(ev.BotAdded(f"bot-{place}", 1.0, TABLES, "somebody", active=True))
    for happened in rounds:
        for step in happened:
            step(rig)
        packed = asyncio.run(rig.exposition.page(accept=None, accept_encoding="gzip", names=tuple(OURS)))
        plain = asyncio.run(rig.exposition.page(accept=None, accept_encoding=None, names=tuple(OURS)))
        data, text = b"".join(packed.parts), b"".join(plain.parts)
        assert (len(data), len(text)) == (packed.size, plain.size)
        assert gzip.decompress(data) == zlib.decompress(data, wbits=31) == text


@pytest.mark.parametrize("family", BOT_VALUES)
def test_a_family_depends_on_what_it_says_and_on_nothing_else(family: str) -> None:
    """Change one field after the other: rows that change without its being declared would never be written again."""
    now = lobby("alpha", 7, LobbyState.READY, "dire")
    record = BotRecord("alpha", STEAM, "alpha", is_active=True, state="lounge", status=BotStatus.CONNECTED)
    others: dict[str, Any] = {
        "subject": "bravo",
        "is_active": False,
        "state": "connecting",
        "status": BotStatus.AUTH_FAILED,
        "status_reason": "other",
        "maintenance": Maintenance(None, "", None),
        "connections": 7,
        "guard_code_waiting": True,
        "races": ("alttp/one-1",),
        "creating_lobby": True,
        "current_lobby_id": 7,
        "status_message": "",
        "last_error": "",
        "last_error_reason": "",
    }
    values = BOT_VALUES[family]
    for traits in (RACING, STEAM):
        figures = BotFigures(replace(record, traits=traits), {}, NO_MESSAGES, 1, 0, False, now)
        before = list(values.rows(figures))
        touched = {
            field
            for field in BotRecord.__struct_fields__
            if field not in ("name", "traits")
            and list(values.rows(copied(figures, record=replace(figures.record, **{field: others.get(field, 99.0)}))))
            != before
        }
        counts = {family: {"": 5, "other": 5}}
        gathered: dict[str, Any] = {"tally": counts, "rooms": 5, "rooms_connected": 5, "draining": True, "lobby": None}
        gathered["messages"] = (5, 5, 5, (("bad_json", 5),))
        for key, value in gathered.items():
            if list(values.rows(copied(figures, **{key: value}))) != before:
                touched.add(key)
        assert touched <= set(values.reads)
        if traits is STEAM:
            assert touched == set(values.reads) or family in ("bot_info",)
