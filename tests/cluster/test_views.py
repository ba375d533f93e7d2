"""Any process shows the whole fleet: what each knows of its own, and of others what they told, as long as it holds."""

import asyncio

import pytest

from exporter.model import events as ev
from tests.cluster.nodes import Json, Node, nodes, spec
from tests.eventually import eventually, until
from tests.postgresql import PostgreSQL
from tests.replica import Replica
from tests.web.fleet import RACETIME, lobby, race_view

BOTS = (spec("ann"), spec("ben"), spec("alttpr", RACETIME), spec("alttpr-2", RACETIME))


def seen(node: Node, *names: str) -> bool:
    """Whether a process knows these bots as their own processes do: at work."""
    return all(name in node.fleet.bots and node.fleet.bots[name].healthy for name in names)


def by_name(answer: Json, kind: str = "bots") -> dict[str, Json]:
    return {each["name"]: each for each in answer[kind]}


async def test_every_process_answers_for_all(database: str) -> None:
    async with nodes(database, "one", "two", bots=BOTS) as (one, two):
        await one.run("ann", "alttpr")
        await two.run("ben")
        two.store.apply(ev.LobbyUpdated("ben", two.clock.now(), lobby("ben", lobby_id=77)))
        await eventually(lambda: seen(one, "ben") and seen(two, "ann", "alttpr") and "77" in one.fleet.lobbies)
        for node, other, own, foreign in ((one, two, "ann", "ben"), (two, one, "ben", "ann")):
            whole = await node.shown("/status")
            bots = by_name(whole)
            assert set(bots) == {"ann", "ben", "alttpr", "alttpr-2"}
            assert (bots[own]["instance"], bots[own]["as_of"]) == (node.name, None)
            assert (bots[foreign]["instance"], bots[foreign]["status_name"]) == (other.name, "connected")
            assert bots[foreign]["as_of"].endswith("Z")
            assert bots["alttpr-2"]["instance"] is None
            assert (bots["alttpr-2"]["status_name"], bots["alttpr-2"]["status_reason"]) == ("unknown", "no_instance")
            assert [each["lobby_id"] for each in whole["lobbies"]] == ["77"]
            system = whole["system"]
            assert (system["total_bots"], system["active_lobbies"], system["unowned_bots"]) == (4, 1, 1)
            assert system["instance"] == node.name
            assert {each["name"]: each["bots"] for each in system["instances"]} == {"one": 2, "two": 1}
            assert (await node.shown(f"/status/bots/{foreign}_account"))["name"] == foreign
            assert (await node.shown("/status/lobbies/77"))["bot_username"] == "ben_account"
            healthy = by_name(await node.shown("/status/bots?healthy=true"))
            assert set(healthy) == {"ann", "ben", "alttpr"}
            assert (await node.shown("/lobby/info?lobby_id=77"))["lobby"]["instance"] == "two"
            assert (await node.shown("/bots"))["bots"] == {"ann_account": True, "ben_account": True}
            assert (await node.call("/status")).headers["Bot-Exporter-Instance"] == node.name
        two.store.apply(ev.LobbyForgotten("ben", two.clock.now(), "77"))
        await eventually(lambda: not one.fleet.lobbies)


async def test_the_feed_tells_of_others(database: str) -> None:
    """A client at one process sees a bot of another one come, change and go away."""
    async with nodes(database, "one", "two", bots=BOTS, life_s=2.0) as (one, two):
        await two.run("ben")
        replica = Replica()
        async with one.client.ws_connect(f"{one.url}/status/stream") as feed:

            async def told(name: str, **wanted: object) -> None:
                async with asyncio.timeout(20):
                    while not wanted.items() <= replica.objects.get(("bot", name), {}).items():
                        replica.take(await feed.receive_str())

            await told("ben", status_name="connected", instance="two")
            await two.supervisor.stop("ben")
            await told("ben", is_active=False, status_name="disconnected")
            await two.gone()
            await told("ben", status_name="unknown", status_reason="instance_away", instance=None)
            assert "two" in replica.objects["bot", "ben"]["status_message"]


async def test_a_process_that_is_away_is_never_green(database: str) -> None:
    """Its bots are unknown, its lobby is not watched, /health is degraded; a new owner makes all of it good."""
    async with nodes(database, "one", "two", bots=(spec("ann"), spec("ben")), life_s=2.0) as (one, two):
        await one.run("ann")
        await two.run("ben")
        two.store.apply(ev.LobbyUpdated("ben", two.clock.now(), lobby("ben", lobby_id=77)))
        await eventually(lambda: seen(one, "ben") and "77" in one.fleet.lobbies)
        assert (await one.shown("/health"))["status"] == "ok"
        await two.gone()
        away = await until(lambda: one.shown("/status/bots/ben"), lambda bot: bot["status_reason"] == "instance_away")
        assert (away["healthy"], away["available"], away["state"]) == (False, False, "disconnected")
        assert "its process two is away" in away["status_message"]
        assert (await one.shown("/status/lobbies/77"))["watched"] is False
        assert (await one.shown("/health"))["status"] == "degraded"
        assert (await one.shown("/status/system"))["unowned_bots"] == 1
        await one.run("ben")
        back = await one.shown("/status/bots/ben")
        assert (back["instance"], back["status_name"], back["as_of"]) == ("one", "connected", None)
        assert (await one.shown("/status/lobbies"))["lobbies"] == []  # the bot has found none


async def test_a_bot_that_moves_is_shown_by_its_new_process(database: str) -> None:

    def found(change: ev.Change) -> None:
        if isinstance(change.event, ev.HealthProved):
            two.store.apply(ev.LobbyUpdated("ann", two.clock.now(), lobby("ann", lobby_id=77)))

    async with nodes(database, "one", "two", "three", bots=BOTS) as (one, two, three):
        await one.run("ann")
        one.store.apply(ev.LobbyUpdated("ann", one.clock.now(), lobby("ann", lobby_id=77)))
        await eventually(lambda: seen(three, "ann") and "77" in three.fleet.lobbies)
        await one.release("ann")
        await until(lambda: three.shown("/status/bots/ann"), lambda bot: bot["status_reason"] == "no_instance")
        for node in (one, three):
            assert (await node.shown("/status/lobbies/77"))["watched"] is False
        two.store.subscribe(found)
        await two.run("ann")
        await until(lambda: three.shown("/status/lobbies/77"), lambda left: left["instance"] == "two")
        assert (await one.shown("/status/lobbies/77"))["watched"] is True
        moved = await until(lambda: three.shown("/status/bots/ann"), lambda bot: bot["instance"] == "two")
        assert moved["status_name"] in {"connected", "unknown"}
        await eventually(lambda: seen(three, "ann") and seen(one, "ann"))


async def test_who_lost_the_lease_writes_nothing(database: str) -> None:
    """A process that was paused goes on telling of a bot that another one has taken over: nobody hears it."""
    async with nodes(database, "one", "two", "three", bots=BOTS, life_s=1.0) as (one, two, three):
        await one.run("ann")
        await eventually(lambda: seen(three, "ann"))
        one.stop_beating()  # no beat comes any more, and it does not know: as after SIGSTOP and SIGCONT
        await until(lambda: three.shown("/status/bots/ann"), lambda bot: bot["status_name"] == "unknown")
        await two.run("ann")
        await eventually(lambda: seen(three, "ann"))
        lease = one.members.lease_of("ann")
        assert lease is not None
        assert lease.owner == "one"  # so it believes still
        one.store.apply(ev.BotStopped("ann", one.clock.now()))
        one.store.apply(ev.LobbyUpdated("ann", one.clock.now(), lobby("ann", lobby_id=5)))
        await eventually(lambda: one.exchange.idle)
        two.store.apply(ev.ActivitySeen("ann", 1_900_000_000.0))
        await eventually(lambda: three.fleet.bots["ann"].last_activity == 1_900_000_000.0)
        bot = await three.shown("/status/bots/ann")
        assert (bot["instance"], bot["is_active"], bot["status_name"]) == ("two", True, "connected")
        assert not three.fleet.lobbies


async def test_a_race_of_two_processes_is_one(database: str) -> None:
    async with nodes(database, "one", "two", "three", bots=BOTS) as (one, two, three):
        await one.run("alttpr")
        await two.run("alttpr-2")
        for node, bot in ((one, "alttpr"), (two, "alttpr-2")):
            node.store.apply(ev.RaceUpdated(bot, node.clock.now(), race_view()))
        two.store.apply(ev.RoomConnected("alttpr-2", two.clock.now(), "alttpr/lucky-link-1"))
        name = "alttpr/lucky-link-1"
        await eventually(lambda: name in three.fleet.races and len(three.fleet.races[name].bots) == 2)
        races = (await three.shown("/status/races"))["races"]
        assert [(each["name"], each["room_connected"]) for each in races] == [(name, True)]
        await eventually(lambda: len(one.fleet.races[name].bots) == 2)
        assert (await one.shown(f"/status/races/{name}"))["instance"] == "one"
        two.store.apply(ev.RaceForgotten("alttpr-2", two.clock.now(), name))
        await eventually(lambda: three.fleet.races[name].bots == ("alttpr",))


async def test_without_the_database_nobody_knows_of_others(
    postgresql: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Own bots go on; those of others are unknown after a while, and are seen again once it is back."""
    monkeypatch.setattr("exporter.cluster.exchange.BELIEVE_S", 1.0)
    monkeypatch.setattr("exporter.cluster.exchange.AGAIN_S", 0.1)
    async with nodes(postgresql.new_database(), "one", "two", bots=BOTS) as (one, two):
        await one.run("ann")
        await two.run("ben")
        await eventually(lambda: seen(one, "ben"))
        for node in (one, two):
            node.stop_beating()  # that is another part's affair
        await asyncio.to_thread(postgresql.stop, at_once=True)
        try:
            lost = await until(lambda: one.shown("/status/bots/ben"), lambda bot: bot["status_name"] == "unknown")
            assert (lost["status_reason"], lost["instance"]) == ("instance_away", None)
            assert "database" in lost["status_message"]
            assert (await one.shown("/status/bots/ann"))["healthy"] is True
        finally:
            await asyncio.to_thread(postgresql.start)
        await until(lambda: one.shown("/status/bots/ben"), lambda bot: bot["healthy"])


async def test_a_process_that_starts_clears_what_an_earlier_run_has_left(database: str) -> None:
    async with nodes(database, "one", "two", bots=BOTS, life_s=1.0) as (one, two):
        await two.run("ben")
        two.store.apply(ev.LobbyUpdated("ben", two.clock.now(), lobby("ben", lobby_id=77)))
        await eventually(lambda: "77" in one.fleet.lobbies)
        await two.gone()
        await eventually(lambda: len(one.members.instances()) == 1)
        again = Node("two", database, BOTS, life_s=30.0, settings=two.web._settings)
        try:
            await again.start()
            async with nodes(database, "three", bots=BOTS) as (three,):
                await eventually(lambda: three.fleet.instances() and three.exchange.idle)
                await three.fleet.catch_up()
                assert "77" not in three.fleet.lobbies
            assert one.fleet.lobbies["77"].watched is False  # its bot may find it again, wherever it runs next
        finally:
            await again.stop()


async def test_a_late_process_and_draining(database: str) -> None:
    """A process that comes late knows all at once; one that drains has no bots for new work, at nobody."""
    async with nodes(database, "one", bots=BOTS) as (one,):
        await one.run("ann", "ben")
        await eventually(lambda: one.exchange.idle)
        async with nodes(database, "two", bots=BOTS) as (two,):
            await eventually(lambda: seen(two, "ann", "ben"))
            assert (await two.shown("/status/system"))["available_bots"] == 2
            one.drain.begin()
            await until(lambda: two.shown("/status/system"), lambda system: system["available_bots"] == 0)
            assert (await two.shown("/status/bots/ann"))["available"] is False
            assert (await two.shown("/status/system"))["draining"] is False
