"""The flags of `bot-exporter`, in the style of Prometheus. What few of them need is imported when they are given."""

import argparse
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from exporter.addresses import DEFAULT_LISTEN, Addresses, parse_listen_address
from exporter.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line, checked."""

    config_file: Path
    data_dir: Path
    storage_url: str | None
    web: Addresses
    web_config: Path | None
    log_level: str
    log_format: Literal["logfmt", "json"]
    drain_timeout_s: float
    auto_reload: bool
    check: bool
    healthcheck: bool


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
    add("--drain-timeout", dest="drain_timeout", metavar="DURATION",
        help="on SIGTERM, take on nothing new and wait so long for lobbies and races (default: 0s)")  # fmt: skip
    add("--log.level", dest="log_level", choices=("debug", "info", "warn", "error"), default="info",
        help="the least important messages to log (default: %(default)s)")  # fmt: skip
    add("--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt",
        help="how log lines look (default: %(default)s)")  # fmt: skip
    add("--healthcheck", action="store_true",
        help="ask the server at --web.listen-address whether it is alive, and exit with 0 or 1")  # fmt: skip
    add("--version", action=_Version, nargs=0, help="show program's version number and exit")
    given = parser.parse_args(arguments)
    listen = tuple(map(parse_listen_address, given.listen)) if given.listen else (DEFAULT_LISTEN,)
    return Flags(
        config_file=given.config_file,
        data_dir=given.data_dir,
        storage_url=_storage_url(given.storage_url),
        web=Addresses(
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


class _Version(argparse.Action):
    """What argparse has for this wants the text before anybody asks for it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"bot-exporter {version('bot-exporter')} (Python {platform.python_version()})")  # noqa: T201
        parser.exit()


def _storage_url(url: str | None) -> str | None:
    if url is None:
        return None
    from exporter.sections import open_storage_url  # noqa: PLC0415

    try:
        return open_storage_url(url)
    except ValueError as error:
        raise ConfigError([Problem("command line", 0, "--storage.url", str(error))]) from None


def _duration(flag: str, text: str | None) -> float:
    if text is None:
        return 0.0
    from exporter.timing import parse_duration  # noqa: PLC0415  (it brings the event loop's library)

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigError([Problem("command line", 0, flag, str(error))]) from None
