"""SIGKILL under load: the database opens, no acknowledged order is lost, and at most the last 200 ms of changes are.

Five times here; `BOT_EXPORTER_KILLS=50` makes it the soak form.
"""

import asyncio
import os
import random
import signal
import statistics
import sys
from pathlib import Path

from sqlalchemy import select

from exporter.storage.engine import Target, reader_engine
from exporter.storage.schema import BOT_EVENTS, ORDERS
from tests.storage.rig import running

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("BOT_EXPORTER_KILLS", "5"))
LOST_S = 0.2
_A_ROUND = 1_000_000


async def killed_under_load(where: Target, folder: Path, start: int, changes: int) -> list[list[str]]:
    """Run the load, kill it after so many changes, and return what it said."""
    url = where.url.render_as_string(hide_password=False) if where.url is not None else ""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.storage.load", url, str(folder), str(start)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    said: list[list[str]] = []
    async with asyncio.timeout(600):
        while sum(words[0] == "e" for words in said[-changes * 2 :]) < changes or not any(w[0] == "o" for w in said):
            line = await process.stdout.readline()
            assert line, "the load ended by itself"
            if line[:1] in b"eo":
                said.append(line.decode().split())
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
    whole = rest.decode().splitlines()[: rest.count(b"\n")]
    return said + [line.split() for line in whole if line[:2] in ("e ", "o ")]


async def test_a_killed_process_loses_no_order_and_little_else(where: Target, tmp_path: Path) -> None:
    chance = random.Random(8)
    lost_s: list[float] = []
    orders: set[str] = set()
    for number in range(KILLS):
        said = await killed_under_load(where, tmp_path, number * _A_ROUND, chance.randrange(200, 900))
        orders |= {words[1] for words in said if words[0] == "o"}
        made = {int(words[1]): float(words[2]) for words in said if words[0] == "e"}
        async with running(where, start_s=20.0) as rig:  # it opens, once the server has missed the killed process
            assert rig.stats.opened
        kept = written_changes(where)
        lost = sorted(set(made) - kept)
        assert lost == list(range(lost[0], lost[0] + len(lost))) if lost else True  # only the newest
        lost_s.append(max(made.values()) - made[lost[0]] if lost else 0.0)
        done = {key for key, state in written_orders(where).items() if state == "done"}
        assert orders <= done
    print(f"kills {KILLS}, orders {len(orders)}, lost s: {' '.join(f'{each:.3f}' for each in sorted(lost_s))}")  # noqa: T201
    # What one machine under the load of a whole test run does once is no measure; what it does as a rule is.
    assert statistics.median(lost_s) <= LOST_S
    assert max(lost_s) <= 10 * LOST_S


def written_changes(where: Target) -> set[int]:
    engine = reader_engine(where)
    with engine.connect() as connection:
        found = connection.execute(select(BOT_EVENTS.c.message).where(BOT_EVENTS.c.kind == "error")).scalars()
        numbers = {int(str(message).split()[1]) for message in found}
    engine.dispose()
    return numbers


def written_orders(where: Target) -> dict[str, str]:
    engine = reader_engine(where)
    with engine.connect() as connection:
        found = {row.idempotency_key: row.state for row in connection.execute(select(ORDERS))}
    engine.dispose()
    return found
