"""A process of a cluster as the command runs it, with leases that are short: `python -m tests.cluster.member`.

How long leases live is no key of the configuration, for nobody should have to choose it.
"""

import argparse
import asyncio
import random
import signal
import sys
from dataclasses import replace
from pathlib import Path

import structlog

from exporter.app import application, load_fleet
from exporter.cluster.held import LeaseTiming
from exporter.logs import configure
from exporter.process import run
from exporter.web.settings import WebSettings

QUICK = LeaseTiming(life_s=6.0, beat_s=0.5, retry_s=0.1, margin_s=2.0, patience_s=3.0, silence_s=3.0)


async def serve(config: Path, data: Path, drain_s: float, port: int, timing: LeaseTiming) -> None:
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    reload_asked = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reload_asked.set)
    fleet = load_fleet(config)
    settings = WebSettings(listen=(("127.0.0.1", port),))
    async with application(
        fleet, settings, data, rng=random.Random(1), stagger_s=0.0, reload_asked=reload_asked, lease_timing=timing
    ) as app:
        sys.stdout.write(f"{app.url}\n")
        sys.stdout.flush()
        await asked.wait()
        if drain_s:
            await app.drain(drain_s)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--drain", type=float, default=0.0)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--life", type=float, default=QUICK.life_s)
    given = parser.parse_args()
    configure("info", "logfmt")
    structlog.get_logger(component="test").info("begins")
    timing = replace(QUICK, life_s=given.life, margin_s=given.life / 3)
    run(serve(given.config, given.data, given.drain, given.port, timing))


if __name__ == "__main__":
    main()
