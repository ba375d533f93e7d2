"""Three real processes, one fleet: what an operator sees when they start, die, pause, stop, or lose the database."""

import signal
import time
from pathlib import Path

from exporter.platforms.dota2.wire import Team
from tests.cluster.member import QUICK
from tests.cluster.rig import Cluster, Json, Member, cluster
from tests.eventually import until
from tests.postgresql import PostgreSQL

PLAYER = 76561197960287930


async def owner_of_lobby(fleet: Cluster, lobby_id: str, *names: str) -> Member:
    """Wait until one of these processes shows the lobby as open."""

    async def pages() -> list[str]:
        return [name for name in names if f'lobby_id="{lobby_id}"' in await fleet.members[name].page()]

    (name,) = await until(pages, told=fleet.told)
    return fleet.members[name]


async def test_bots_are_shared_out_and_outlive_the_death_and_the_end_of_processes(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    async with cluster(tmp_path, postgresql.new_database()) as fleet:
        await fleet.start("one", "two", "three")
        seen = await fleet.balanced("one", "two", "three")
        assert [len(bots) for bots in seen.values()] == [3, 3, 3]
        assert not +fleet.accounts.doubled, "while bots found their places, none was logged on twice"

        host = next(fleet.members[name] for name, bots in seen.items() if any(bot.startswith("dota") for bot in bots))
        wanted: Json = {"name": "Tonight", "password": "hunter2", "server_region": "EUW", "game_mode": "CM"}
        wanted["expected_players"] = 1
        lobby = await host.order("POST", "/api/v1/lobbies", wanted)
        others = [name for name in seen if name != host.name]

        host.process.kill()  # in mid lobby
        await host.ended()
        began = time.monotonic()
        seen = await fleet.balanced(*others)
        assert time.monotonic() - began < 10 * QUICK.life_s
        heir = await owner_of_lobby(fleet, str(lobby["lobby_id"]), *others)
        assert f"before={host.name}" in heir.log
        assert "lobby found again" in heir.log
        shown = await heir.order("GET", f"/status/lobbies/{lobby['lobby_id']}")
        assert (shown["name"], shown["watched"], shown["state"]) == ("Tonight", True, "waiting")
        assert "bot_exporter_cluster_takeovers_total 0" not in await heir.page()

        heir.signal(signal.SIGTERM)  # and now it ends as it should, in mid lobby, too
        last = next(fleet.members[name] for name in others if name != heir.name)
        assert await heir.ended() == 0
        await fleet.balanced(last.name)
        assert "left the cluster" in heir.log
        assert "its lease has run out" not in last.log.rpartition(f"instance={heir.name}")[2], "nobody had to wait"
        await owner_of_lobby(fleet, str(lobby["lobby_id"]), last.name)
        (hosted,) = fleet.lobbies.lobbies.values()  # the lobby is the same one, and there is no other
        fleet.lobbies.join(hosted, PLAYER, time.time(), "hunter2")
        fleet.lobbies.seat(PLAYER, Team.RADIANT, 1, time.time())
        seen_by_last = await until(
            lambda: last.order("GET", f"/status/lobbies/{lobby['lobby_id']}"), lambda shown: shown["radiant_count"] == 1
        )
        assert seen_by_last["state"] == "ready", "the second owner after the one that was told knows who is expected"

        await fleet.start("four")
        await fleet.balanced(last.name, "four")
        await owner_of_lobby(fleet, str(lobby["lobby_id"]), last.name)  # it was not moved for the sake of balance
        assert not +fleet.accounts.doubled
        passwords = fleet.accounts.logons()
        assert all(passwords[f"demo-bot-{number}"] >= 1 for number in (2, 4, 6))


async def test_a_process_that_was_paused_touches_nothing_before_it_has_asked(
    postgresql: PostgreSQL, tmp_path: Path
) -> None:
    async with cluster(tmp_path, postgresql.new_database()) as fleet:
        await fleet.start("one", "two")
        seen = await fleet.balanced("one", "two")
        one, two = fleet.members["one"], fleet.members["two"]
        had = set(seen["one"])
        one.signal(signal.SIGSTOP)
        await until(lambda: fleet.spread("two"), fleet.whole, told=lambda: two.log)
        # The sessions of the paused process were still open at the service, which has replaced them by the new ones.
        replaced = {f"demo-bot-{bot.removeprefix('dota-')}" for bot in had if bot.startswith("dota")}
        assert set(+fleet.accounts.doubled) <= replaced
        before = len(fleet.accounts.attempts)
        one.signal(signal.SIGCONT)
        await until(lambda: _text(one), lambda log: "could not be renewed in time" in log, told=lambda: one.log)
        seen = await fleet.balanced("one", "two")
        after = fleet.accounts.attempts[before:]
        back = {f"demo-bot-{bot.removeprefix('dota-')}" for bot in seen["one"]}
        assert {each.username for each in after} <= back, "it logged on only what it had claimed again"
        assert all(fleet.accounts.doubled[each.username] <= 1 for each in after), "and nothing was logged on twice then"
        assert "bot_exporter_cluster_leases_lost_total 0" not in await one.page()


async def _text(member: Member) -> str:
    return member.log


async def test_a_database_that_restarts_is_no_trouble_and_one_that_stays_away_stops_the_bots(tmp_path: Path) -> None:
    server = PostgreSQL()
    try:
        server.start()
        async with cluster(tmp_path, server.new_database()) as fleet:
            await fleet.start("one", "two")
            seen = await fleet.balanced("one", "two")
            logons = len(fleet.accounts.attempts)
            server.stop()
            server.start()
            one = fleet.members["one"]
            await until(lambda: _text(one), lambda log: "leases are renewed" in log, told=lambda: one.log)
            assert await fleet.balanced("one", "two") == seen
            assert len(fleet.accounts.attempts) == logons, "no bot noticed"

            server.stop()
            gone = await until(lambda: fleet.spread("one", "two"), lambda seen: not any(seen.values()), told=fleet.told)
            assert gone == {"one": {}, "two": {}}, "nobody may believe in a lease that cannot be renewed"
            assert not fleet.accounts.logged_on()
            assert (await one.ready())[0] == 503
            server.start()
            await fleet.balanced("one", "two")
            assert await until(one.ready, lambda answer: answer[0] == 200)
            assert not +fleet.accounts.doubled
            assert "leases are not renewed: bots stop unless that works soon" in one.log
    finally:
        server.remove()
