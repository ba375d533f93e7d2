"""Helper process: one process of a cluster, as the command runs it.

Arguments: configuration file, data directory, port, and for how many seconds its leases live.
"""

import asyncio
import contextlib
import sys
import time
from pathlib import Path

from benchmarks.lines import answer_questions
from exporter.app import application, load_fleet
from exporter.cluster.held import LeaseTiming
from exporter.logs import configure
from exporter.process import run as run_on_loop
from exporter.process import settle
from exporter.web.settings import WebSettings

AS_SHIPPED = LeaseTiming()


def timing(life_s: float) -> LeaseTiming:
    """Return the times of leases that live so long, in the proportions that they are shipped with."""
    share = life_s / AS_SHIPPED.life_s
    return LeaseTiming(
        life_s,
        AS_SHIPPED.beat_s * share,
        AS_SHIPPED.retry_s * share,
        AS_SHIPPED.margin_s * share,
        AS_SHIPPED.patience_s * share,
        silence_s=AS_SHIPPED.silence_s * share,
    )


async def main(config: Path, data_dir: Path, port: int, life_s: float) -> None:
    """Load the fleet and serve until the input ends."""
    redactor = configure("info", "logfmt")
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    fleet = load_fleet(config)
    settle()
    answer_questions(
        {"cpu": lambda _: {"cpu_s": time.process_time()}}, ended=lambda: loop.call_soon_threadsafe(done.set)
    )
    settings = WebSettings(listen=(("127.0.0.1", port),))
    async with application(fleet, settings, data_dir, stagger_s=0.0, hide=redactor.add, lease_timing=timing(life_s)):
        await done.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        run_on_loop(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
