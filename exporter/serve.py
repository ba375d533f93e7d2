"""The process that the command starts: signals, the greeting, draining, the end."""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Final

from exporter.addresses import shown
from exporter.app import Application, application, load_fleet
from exporter.flags import Flags
from exporter.logs import Redactor, configure
from exporter.notify import ServiceManager
from exporter.process import VERSION, run, settle
from exporter.reload import Fleet
from exporter.timing import SystemClock, format_duration
from exporter.web.settings import WebSettings

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_STOP_S: Final = 15.0  # what the service manager allows for the end itself: more than all limits of stopping together


def main(flags: Flags) -> int:
    """Run the fleet, or only check its configuration, and return the exit code; raises what a person has to mend."""
    redactor = configure(flags.log_level, flags.log_format)
    fleet = load_fleet(flags.config_file, web_config=flags.web_config)
    if flags.check:
        print(f"{flags.config_file} is fine: {_count(len(fleet.specs), 'bot')}")  # noqa: T201
        return 0
    manager = ServiceManager.of_environment(os.environ)
    # A watchdog ends a process that hangs by SIGABRT: the traceback says where. It has names of files, and no values.
    faulthandler.enable()
    settle()
    run(_serve(flags, fleet, redactor, manager))
    return 0


async def _serve(flags: Flags, fleet: Fleet, redactor: Redactor, manager: ServiceManager) -> None:
    """Run until SIGTERM or Ctrl-C, then drain if asked to; a second signal ends the draining, another the process."""
    where = flags.web
    web = WebSettings(where.listen, where.telemetry_path, where.route_prefix, where.external_url)
    loop, asked = asyncio.get_running_loop(), asyncio.Semaphore(0)
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, asked.release)
    hung_up = asyncio.Event()
    # A closed terminal sends it too: it never ends the fleet. One that comes during the start counts.
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    async with (
        manager.kept_informed(SystemClock()),
        application(
            fleet,
            web,
            flags.data_dir,
            hide=redactor.add,
            reload_asked=hung_up,
            watch_files=flags.auto_reload,
            storage_url=flags.storage_url,
            manager=manager,
        ) as app,
    ):
        _say(where_to_look(app, web))
        manager.ready(f"serving at {', '.join(shown(*each) for each in app.web.addresses)}")
        await asked.acquire()
        manager.stopping("draining" if flags.drain_timeout_s > 0 else "stopping", flags.drain_timeout_s + _STOP_S)
        if flags.drain_timeout_s > 0:
            _say(f"Draining for up to {format_duration(flags.drain_timeout_s)}.")
            await _first_of(app.drain(flags.drain_timeout_s), asked.acquire())
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)  # another one ends the process at once


def _say(text: str) -> None:
    """Tell a person something; that nobody listens (a closed pipe, a full disk) is no reason to stop."""
    try:
        print(text, flush=True)  # noqa: T201
    except OSError:
        # What could not be written would be tried again at the end of the process, and fail it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _first_of(*awaited: Coroutine[object, object, object]) -> None:
    """Wait for one of them and cancel the others."""
    tasks = {asyncio.create_task(each) for each in awaited}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def where_to_look(app: Application, settings: WebSettings) -> str:
    """Return what a person should read first: the addresses."""
    first = f"bot-exporter {VERSION} runs {_count(len(app.store.bots), 'bot')}."
    if app.instance is not None:
        first = f"bot-exporter {VERSION} takes part in a cluster as {app.instance}, and runs its share of the bots."
    lines = [
        first,
        "",
        f"  status page   {app.url}/",
        f"  metrics       {app.url}{settings.telemetry_path}",
        f"  JSON          {app.url}/status",
        f"  health        {app.url}/health",
    ]
    if app.admin_key is not None:
        lines.append(f"  admin key     {app.admin_key}  (made for you, as the configuration names none)")
    if app.racetime is not None:
        lines.append(f"  simulator     {app.racetime.url}  (a racetime.gg that plays by itself)")
    if app.steam is not None:
        lines.append(f"  simulator     {app.steam.directory_url}  (a Steam on which Dota 2 is played)")
    return "\n".join([*lines, "", "Stop with Ctrl-C.", ""])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
