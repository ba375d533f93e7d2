"""What outlives the process, with the real command: a night's end by SIGKILL, and a database that goes and comes."""

import asyncio
import signal
import sqlite3
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.command import LIMIT_S, Ended, exporter, run_to_end
from tests.e2e.site import site


async def ask(url: str, path: str) -> dict[str, Any]:
    async with aiohttp.ClientSession(url) as session, session.get(path) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def until(url: str, path: str, good: Any, limit_s: float = LIMIT_S) -> dict[str, Any]:
    """Ask again until the answer is good."""
    async with asyncio.timeout(limit_s):
        while True:
            if good(answer := await ask(url, path)):
                return answer
            await asyncio.sleep(0.05)


async def test_a_restart_tells_the_truth_about_the_night_before(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with site(tmp_path, wrong_secrets=["ootr"]) as held:
        world, racer = held.world, next(iter(held.world.users.values()))
        async with exporter(held.config, data) as running:
            await until(running.url, "/status/bots/sm", lambda bot: bot["healthy"])
            refused = await until(running.url, "/status/bots/ootr", lambda bot: bot["status_name"] == "auth_failed")
            race = world.open_race(world.categories["sm"], now=held.now(), by=racer)
            await until(running.url, "/status/races", lambda found: found["races"])
            world.cancel(race, racer, held.now())
            asked = "/status/history?kind=race&limit=1"
            await until(running.url, asked, lambda page: page["items"] and page["items"][0]["after"] == "cancelled")
            before = await ask(running.url, "/status/bots/sm")
            await written(data)
            running.process.send_signal(signal.SIGKILL)
            await running.process.wait()
        await held.simulator.crash()  # in the morning the site is out: nothing can be proved
        async with exporter(held.config, data) as running:
            bot = await ask(running.url, "/status/bots/sm")
            assert not bot["healthy"]
            assert bot["connected_since"] is None
            assert bot["last_connected_at"] == before["last_connected_at"]
            assert bot["last_status_check_at"] >= before["last_status_check_at"]
            sick = await ask(running.url, "/status/bots/ootr")
            assert sick["last_connected_at"] is None
            page = await ask(running.url, "/status/bots/ootr/history?kind=error&limit=500")
            assert page["items"][-1]["message"] == refused["last_error"]
            told = await ask(running.url, "/status/bots/sm/history?kind=status&limit=500")
            words = [(item["before"], item["after"]) for item in reversed(told["items"])]
            assert words[:3] == [(None, "unknown"), ("unknown", "connected"), ("connected", "unknown")]
            races = await ask(running.url, "/status/history?kind=race")
            assert [item["after"] for item in races["items"]] == ["cancelled", "open"]
        await held.simulator.start()


async def written(data: Path, limit_s: float = LIMIT_S) -> None:
    """Wait until the cancelled race is in the file."""
    async with asyncio.timeout(limit_s):
        while True:
            with sqlite3.connect(f"file:{data / 'history.sqlite3'}?mode=ro", uri=True) as database:
                (count,) = database.execute("SELECT count(*) FROM races WHERE outcome = 'cancelled'").fetchone()
            if count:
                return
            await asyncio.sleep(0.02)


async def test_the_database_is_pulled_away_under_a_running_fleet_and_put_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    file = data / "history.sqlite3"
    async with site(tmp_path) as held, exporter(held.config, data) as running:
        url = running.url
        await until(url, "/status/system", lambda system: system["bot_status_summary"]["connected"] == 4)
        file.rename(file.with_suffix(".away"))
        await held.simulator.crash()
        await until(url, "/health", lambda health: health["components"]["storage"] == "degraded")
        assert await ready(url) == 503
        page = await ask(url, "/status/bots/sm/history?limit=1")  # from memory
        assert page["items"]
        await until(url, "/status/system", lambda system: system["bot_status_summary"]["connected"] == 0)
        await held.simulator.start()
        await until(url, "/status/system", lambda system: system["bot_status_summary"]["connected"] == 4)
        file.with_suffix(".away").rename(file)
        await until(url, "/health", lambda health: health["components"]["storage"] == "ok")
        assert await ready(url) == 200
        async with aiohttp.ClientSession(url) as session, session.get("/metrics") as response:
            metrics = await response.text()
        assert "bot_exporter_history_dropped_total 0.0" in metrics
        assert "bot_exporter_storage_up 1.0" in metrics
        told = await ask(url, "/status/bots/sm/history?kind=status&limit=500")
        words = [item["after"] for item in reversed(told["items"])]
        assert words[0] == "unknown"
        assert words[1] == words[-1] == "connected"
        assert "connection_error" in words
    errors = [line for line in running.log if "component=storage" in line and "level=error" in line]
    assert len(errors) == 1, errors  # told once, and once that it is back
    assert "is gone: put it back" in errors[0]
    assert any("works again" in line for line in running.log)


async def ready(url: str) -> int:
    async with aiohttp.ClientSession(url) as session, session.get("/-/ready") as response:
        return response.status


def only_line(ended: Ended, code: int) -> str:
    assert ended.code == code, ended
    (line,) = (ended.out + ended.err).splitlines()
    return line


async def test_migrate(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("bots: []\n")
    flags = (f"--config.file={tmp_path / 'config.yaml'}", f"--data.dir={tmp_path}")
    assert "is now up to date (schema 0003)" in only_line(await run_to_end("migrate", *flags), 0)
    with sqlite3.connect(tmp_path / "history.sqlite3") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "written by a newer version of bot-exporter (schema 9999" in only_line(await run_to_end(*flags), 2)
