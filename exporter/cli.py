"""The command `bot-exporter`: flags as Prometheus has them, exit codes 0 (fine), 1 (failed), 2 (wrong input)."""

import argparse
import asyncio
import faulthandler
import os
import platform
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import structlog

from exporter.errors import ConfigError, Problem, StartError
from exporter.logs import Redactor, configure
from exporter.notify import ServiceManager
from exporter.process import VERSION, run, settle
from exporter.secrets import SecretError
from exporter.sections import open_storage_url
from exporter.timing import SystemClock, format_duration, parse_duration
from exporter.web.acceptor import shown
from exporter.web.healthcheck import healthcheck
from exporter.web.settings import DEFAULT_LISTEN, WebSettings, parse_listen_address
from exporter.web_config import load_web_config

if TYPE_CHECKING:
    from exporter.app import Application
    from exporter.reload import Fleet

_STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_STOP_S: Final = 15.0  # what the service manager allows for the end itself: more than all limits of stopping together

_log = structlog.get_logger(component="cli")


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line, checked."""

    config_file: Path
    data_dir: Path
    storage_url: str | None
    web: WebSettings
    web_config: Path | None
    log_level: str
    log_format: Literal["logfmt", "json"]
    drain_timeout_s: float
    auto_reload: bool
    check: bool
    healthcheck: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["migrate"]:
            from exporter import migrate  # noqa: PLC0415  (as below)

            return migrate.main(arguments[1:])
        flags = parse_flags(arguments)
        if flags.healthcheck:
            web_config = load_web_config(flags.web_config) if flags.web_config is not None else None
            return healthcheck(flags.web, web_config.tls if web_config is not None else None)
        # What runs the fleet is a hundred modules: whoever asks for the version, or for health every 30 s, needs none.
        from exporter.app import load_fleet  # noqa: PLC0415

        redactor = configure(flags.log_level, flags.log_format)
        fleet = load_fleet(flags.config_file, web_config=flags.web_config)
        if flags.check:
            print(f"{flags.config_file} is fine: {_count(len(fleet.specs), 'bot')}")  # noqa: T201
            return 0
        return _run(flags, fleet, redactor)
    except (ConfigError, StartError, SecretError) as error:
        for line in str(error).splitlines():
            print(f"bot-exporter: {line}", file=sys.stderr)  # noqa: T201
        return 2


def parse_flags(arguments: Sequence[str] | None) -> Flags:
    """Return the flags; raises ConfigError for a wrong value, SystemExit for a wrong flag, --help and --version."""
    parser = argparse.ArgumentParser(
        prog="bot-exporter",
        description="Runs fleets of game bots and makes them observable the Prometheus way.",
        allow_abbrev=False,
    )
    add: Callable[..., object] = parser.add_argument
    add("--config.file", dest="config_file", type=Path, default=Path("config.yaml"), metavar="FILE",
        help="the configuration (default: %(default)s)")  # fmt: skip
    add("--config.check", dest="check", action="store_true",
        help="check the configuration, print every mistake with its line, and exit")  # fmt: skip
    add("--config.enable-auto-reload", dest="auto_reload", action="store_true",
        help="reload the configuration when one of its files has changed, not only on SIGHUP")  # fmt: skip
    add("--web.listen-address", dest="listen", action="append", metavar="HOST:PORT",
        help=f"where to listen; may be given again (default: {DEFAULT_LISTEN[0]}:{DEFAULT_LISTEN[1]})")  # fmt: skip
    add("--web.telemetry-path", dest="telemetry_path", default="/metrics", metavar="PATH",
        help="where the metrics are (default: %(default)s)")  # fmt: skip
    add("--web.config.file", dest="web_config", type=Path, metavar="FILE",
        help="TLS, basic auth, headers and a rate limit, in the format of Prometheus' exporters")  # fmt: skip
    add("--web.external-url", dest="external_url", metavar="URL",
        help="the address under which browsers reach this server, for example behind a proxy")  # fmt: skip
    add("--web.route-prefix", dest="route_prefix", metavar="PATH",
        help="what all paths begin with (default: the path of --web.external-url)")  # fmt: skip
    add("--data.dir", dest="data_dir", type=Path, default=Path("data"), metavar="DIR",
        help="where the program keeps what it needs; one process at a time (default: %(default)s)")  # fmt: skip
    add("--storage.url", dest="storage_url", metavar="URL",
        help="the database, instead of storage.url of the configuration; without a password in it")  # fmt: skip
    add("--drain-timeout", dest="drain_timeout", default="0s", metavar="DURATION",
        help="on SIGTERM, take on nothing new and wait so long for lobbies and races (default: 0s)")  # fmt: skip
    add("--log.level", dest="log_level", choices=("debug", "info", "warn", "error"), default="info",
        help="the least important messages to log (default: %(default)s)")  # fmt: skip
    add("--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt",
        help="how log lines look (default: %(default)s)")  # fmt: skip
    add("--healthcheck", action="store_true",
        help="ask the server at --web.listen-address whether it is alive, and exit with 0 or 1")  # fmt: skip
    add("--version", action="version", version=f"bot-exporter {VERSION} (Python {platform.python_version()})")
    given = parser.parse_args(arguments)
    listen = tuple(map(parse_listen_address, given.listen)) if given.listen else (DEFAULT_LISTEN,)
    return Flags(
        config_file=given.config_file,
        data_dir=given.data_dir,
        storage_url=_storage_url(given.storage_url),
        web=WebSettings(
            listen=listen,
            telemetry_path=given.telemetry_path,
            route_prefix=given.route_prefix,
            external_url=given.external_url,
        ),
        web_config=given.web_config,
        drain_timeout_s=_duration("--drain-timeout", given.drain_timeout),
        log_level=given.log_level,
        log_format=given.log_format,
        auto_reload=given.auto_reload,
        check=given.check,
        healthcheck=given.healthcheck,
    )


def _storage_url(url: str | None) -> str | None:
    try:
        return None if url is None else open_storage_url(url)
    except ValueError as error:
        raise ConfigError([Problem("command line", 0, "--storage.url", str(error))]) from None


def _duration(flag: str, text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError([Problem("command line", 0, flag, str(error))]) from None


def _run(flags: Flags, fleet: "Fleet", redactor: Redactor) -> int:
    manager = ServiceManager.of_environment(os.environ)
    # A watchdog ends a process that hangs by SIGABRT: the traceback says where. It has names of files, and no values.
    faulthandler.enable()
    settle()
    run(_serve(flags, fleet, redactor, manager))
    return 0


async def _serve(flags: Flags, fleet: "Fleet", redactor: Redactor, manager: ServiceManager) -> None:
    """Run until SIGTERM or Ctrl-C, then drain if asked to; a second signal ends the draining, another the process."""
    from exporter.app import application  # noqa: PLC0415  (see main)

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
            flags.web,
            flags.data_dir,
            hide=redactor.add,
            reload_asked=hung_up,
            watch_files=flags.auto_reload,
            storage_url=flags.storage_url,
            manager=manager,
        ) as app,
    ):
        _say(where_to_look(app, flags.web))
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


def where_to_look(app: "Application", settings: WebSettings) -> str:
    """Return what a person should read first: the addresses."""
    lines = [
        f"bot-exporter {VERSION} runs {_count(len(app.store.bots), 'bot')}.",
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


if __name__ == "__main__":
    sys.exit(main())
