"""The web configuration file while the server runs: read again when it, or a certificate that it names, has changed."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NoReturn

import structlog

from exporter.errors import ConfigError, Problem
from exporter.process import ProcessState
from exporter.timing import Clock
from exporter.web_config import WebConfig, load_web_config

LOOK_S: Final = 1.0

_log = structlog.get_logger(component="web")


class LiveWebConfig:
    """Has the present web configuration in `current`; `changed` is told of each new one.

    A file that is wrong changes nothing: the configuration before stays in use, the log and the metrics say so, and
    the file is tried again every second, because a certificate and its key are seldom replaced in one instant.
    """

    def __init__(self, config: WebConfig, process: ProcessState, changed: Callable[[WebConfig], None]) -> None:
        self.current = config
        self._process = process
        self._changed = changed
        self._seen: object = None  # what is not known yet is read once more: nothing is missed in between
        self._complaint = ""
        process.web_config_ok = True

    async def watch(self, clock: Clock) -> NoReturn:
        """Look every second, until cancelled."""
        while True:
            await clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Read the file again if there is a reason to."""
        seen = await asyncio.to_thread(_fingerprints, self.current.files)
        if seen == self._seen and not self._complaint:
            return
        try:
            config = await asyncio.to_thread(load_web_config, self.current.path)
            if (config.tls is None) != (self.current.tls is None):
                message = "can neither be added nor removed while the server runs: restart it for that"
                raise ConfigError([Problem(str(config.path), 0, "tls_server_config", message)])
        except ConfigError as error:
            if str(error) != self._complaint:
                for problem in error.problems:
                    _log.error("the web configuration cannot be used: the one before stays", problem=str(problem))
            self._complaint = str(error)
            self._process.web_config_ok = False
            return
        if self._seen is not None or self._complaint:
            _log.info("web configuration read again", file=str(config.path))
        self._seen = seen if config.files == self.current.files else None
        self._complaint = ""
        self.current = config
        self._process.web_config_ok = True
        self._changed(config)


def _fingerprints(files: Iterable[Path]) -> tuple[object, ...]:
    return tuple(map(_fingerprint, files))


def _fingerprint(path: Path) -> object:
    """Return something that differs once a file was written, replaced or made readable."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino
