"""The image, in whichever way this machine allows: built and run by an engine, or its steps carried out without one."""

import os
import re
import shlex
import socket
import string
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from tests import dockerfile
from tests.e2e.command import ROOT, exporter, run_to_end
from tests.engine import Engine, reachable

INSTALL_GUIDE = ROOT / "docs" / "install.md"
PORT = 9977
_UNIT = ROOT / "deploy" / "systemd" / "bot-exporter.service"
_CONFINE = ROOT / "tests" / "confine.py"


@dataclass(frozen=True, slots=True)
class Serving:
    """A container that runs: where it is published on this machine, and what its HEALTHCHECK says now."""

    url: str
    healthy: Callable[[], Awaitable[bool]]


class Image(Protocol):
    """What can be asked of an image, however it was made."""

    @property
    def how(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def labels(self) -> dict[str, str]: ...
    def contents(self) -> Iterator[tuple[str, bytes]]: ...
    async def healthcheck_alone(self) -> int: ...
    def serving(self) -> AbstractAsyncContextManager[Serving]: ...


@contextmanager
def image(tree: Path, steps: dockerfile.Build, scratch: Path, revision: str) -> Iterator[Image]:
    """Yield the image of a tree, built if that is possible here, or else of steps that were carried out.

    An engine that answers and cannot build fails. One without the base image, on a machine that reaches no registry,
    has nothing to build upon: that is not the Dockerfile's fault, and `how` says it.
    """
    engine = reachable()
    stages = dockerfile.read(tree / "Dockerfile")
    if engine is None:
        yield Carried(steps, stages[-1], scratch, revision, "no container engine answers here")
    elif (why := engine.why_not(stages[-1].base)) is not None:
        yield Carried(steps, stages[-1], scratch, revision, f"{engine} has no {stages[-1].base}: {why}")
    else:
        built = Built(engine, f"bot-exporter-{uuid.uuid4().hex}", scratch, stages[-1].base)
        try:
            engine.build(tree, built.tag, revision)
            yield built
        finally:
            engine.ask("image", "rm", "--force", built.tag)


@dataclass
class Built:
    """An image that an engine has."""

    engine: Engine
    tag: str
    scratch: Path
    base: str

    @property
    def how(self) -> str:
        upon = self.engine.described(self.base)["Id"]
        return f"built and run by {self.engine}, upon {self.base} ({upon[:19]})"

    @cached_property
    def _config(self) -> dict[str, object]:
        return dict(self.engine.described(self.tag)["Config"])

    @property
    def user(self) -> str:
        return str(self._config["User"])

    @property
    def labels(self) -> dict[str, str]:
        labels = self._config["Labels"]
        assert isinstance(labels, dict)
        return labels

    def contents(self) -> Iterator[tuple[str, bytes]]:
        yield from self.engine.contents(self.tag, self.scratch)

    async def healthcheck_alone(self) -> int:
        flags = ["--rm", "--read-only", "--entrypoint=bot-exporter"]
        return self.engine.ask("run", *flags, self.tag, "--healthcheck", f"--web.listen-address=:{PORT}").returncode

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Serving]:
        """Run it by the command of the documents, with another port, name and volume, and looked after every second."""
        run, *flags, _ = _documented()
        name = self.tag
        flags = [each.replace(f":{PORT}:", "::").replace("bots:", f"{name}:") for each in flags]
        self.engine.run(run, "--detach", f"--name={name}", "--health-interval=1s", *flags, self.tag)
        try:
            (address,) = self.engine.run("port", name, str(PORT)).splitlines()
            assert address.startswith("127.0.0.1:")
            yield Serving(f"http://{address}", self._healthy)
            for path in ("/", "/etc/bot-exporter", "/opt/bot-exporter"):
                touched = self.engine.ask("exec", name, "touch", f"{path}/new")
                assert "Read-only file system" in touched.stderr, (path, touched)
            assert self.engine.run("exec", name, "id", "-u") == self.user.partition(":")[0]
            self.engine.run("stop", name)
            assert self.engine.described(name)["State"]["ExitCode"] == 0, self.engine.ask("logs", name).stderr
        finally:
            for rest in (("rm", "--force", "--volumes", name), ("volume", "rm", "--force", name)):
                self.engine.ask(*rest)

    async def _healthy(self) -> bool:
        if self.engine.program == "podman":  # it leaves the rhythm to timers of systemd, which may not be here
            self.engine.ask("healthcheck", "run", self.tag)
        state = self.engine.described(self.tag)["State"]
        return bool((state.get("Health") or state["Healthcheck"])["Status"] == "healthy")


def _documented() -> list[str]:
    (line,) = re.findall(r"^docker (run .*--read-only .*)$", INSTALL_GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    words = shlex.split(line)
    words.remove("--rm")  # how it ended is looked at
    return words


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("", 0))
        return int(free.getsockname()[1])


@dataclass
class Carried:
    """An image whose steps were carried out: it runs as an image does, confined by the kernel without an engine."""

    steps: dockerfile.Build
    final: dockerfile.Stage
    scratch: Path
    revision: str
    why: str
    port: int = field(default_factory=_free_port)

    @property
    def how(self) -> str:
        return f"not built: its steps were carried out ({self.why})"

    @property
    def user(self) -> str:
        return self.final.one("USER").rest

    @property
    def labels(self) -> dict[str, str]:
        values = dict(each.rest.split("=", 1) for each in self.final.all("ARG")) | {"REVISION": self.revision}
        texts = (string.Template(each.rest).substitute(values) for each in self.final.all("LABEL"))
        return dict(word.split("=", 1) for text in texts for word in shlex.split(text))

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for folder, _, files in os.walk(self.steps.root):
            for path in (Path(folder) / name for name in files):
                if not path.is_symlink():
                    yield path.relative_to(self.steps.root).as_posix(), path.read_bytes()

    async def healthcheck_alone(self) -> int:
        program, *flags = self._here(self.final.one("HEALTHCHECK").arguments())
        return (await run_to_end(*flags, command=Path(program), cwd=self.scratch)).code

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Serving]:
        """Run the entry point with a read-only root, where only the data can be written."""
        entry = self._here(self.final.one("ENTRYPOINT").arguments())
        (config,) = (Path(each.partition("=")[2]) for each in entry if each.startswith("--config.file="))
        command = (sys.executable, str(_CONFINE), str(_UNIT), str(self.scratch), *entry)
        async with exporter(config, self.scratch / "data", command=command, cwd=self.scratch) as running:
            yield Serving(running.url, self._healthy)

    async def _healthy(self) -> bool:
        return await self.healthcheck_alone() == 0

    def _here(self, arguments: list[str]) -> list[str]:
        program, *rest = (self.steps.here(each).replace(f":{PORT}", f":{self.port}") for each in arguments)
        return [self.steps.here(f"/opt/bot-exporter/bin/{program}"), *rest]
