"""The API under requests that nobody thought of, against the installed command with both simulators."""

import asyncio
import os
from pathlib import Path

import aiohttp

from tests.e2e.command import exporter
from tests.e2e.fuzzing import LOBBY, Target, fuzz
from tests.eventually import until

CASES = int(os.environ.get("BOT_EXPORTER_FUZZ", "500"))
START = int(os.environ.get("BOT_EXPORTER_FUZZ_SEED", "1"))
LIMIT_S = 10 * 60.0

CONFIG = """
web:
  keys:
    - {name: boss, role: admin, key_file: admin.key}
    - {name: monitor, role: read, key_file: read.key}
steam: {logon_interval: 0s}
simulators:
  steam: {enabled: true, scenario: quiet}
  racetime: {enabled: true, scenario: quiet}
bots:
  - {name: lobby-1, platform: dota2, username: demo-bot-2, password: demo-password-2}
  - {name: lobby-2, platform: dota2, username: demo-bot-4, password: demo-password-4}
  - {name: alttpr, platform: racetime, category: alttpr, client_id: demo-alttpr, client_secret: demo-alttpr-secret}
"""
RACE = {"category": "alttpr", "goal": "Beat the game"}


async def test_every_answer_is_as_described(tmp_path: Path) -> None:
    """No 500, no status or body that the description does not know, with and without keys."""
    keys = {"admin": "a-key-of-an-admin", "read": "a-key-for-reading"}
    for role, key in keys.items():
        (tmp_path / f"{role}.key").write_text(key)
    (tmp_path / "config.yaml").write_text(CONFIG)
    async with (
        exporter(tmp_path / "config.yaml", tmp_path / "data") as running,
        aiohttp.ClientSession(running.url, headers={"X-API-Key": keys["admin"]}) as session,
    ):

        async def available() -> bool:
            async with session.get("/status/system") as answer:
                return bool((await answer.json())["available_bots"] == 3)

        await until(available, told=lambda: running.log)
        async with session.post("/api/v1/lobbies", json=LOBBY) as answer:
            lobby = await answer.json()
        async with session.post("/api/v1/races", json=RACE) as answer:
            race = await answer.json()
            order = answer.headers["Order-Id"]
        real = {
            "name": ["lobby-1", "demo-bot-4", "alttpr"],
            "lobby_id": [lobby["lobby_id"]],
            "category": [race["category"]],
            "slug": [race["slug"]],
            "order_id": [order],
            "file": ["page.css", "docs.js"],
        }
        found = await asyncio.to_thread(fuzz, Target(running.url, keys, real), CASES, start=START, limit_s=LIMIT_S)
        async with session.get("/status") as answer:
            assert answer.status == 200  # it is none the worse for it
    # This is what `make fuzz` tells.
    print(f"{found.cases} requests to {len(found.operations)} operations:", dict(sorted(found.statuses.items())))  # noqa: T201
    assert found.cases >= min(CASES, 500)
    assert {200, 201, 400, 401, 403, 404, 409, 422} <= found.statuses.keys()
    assert not [line for line in running.log if "level=error" in line or "this is a bug" in line]
