"""A container engine, where one answers: it builds images for real, and runs them."""

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

# Each asks what builds and runs, not only the client.
_QUESTIONS: Final = {
    "docker": ("version", "--format", "{{.Server.Version}}"),
    "podman": ("info", "--format", "{{.Version.Version}}"),
}
# How engines say that no registry could be asked. One that answers "there is no such image" is another matter.
_UNREACHABLE: Final = re.compile(
    r"dial tcp|no such host|i/o timeout|connection refused|network is unreachable|request canceled|handshake timeout"
)
_BUILD_S: Final = 1800  # all dependencies come over the network
_STEP_S: Final = 300


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that answers, and its version."""

    program: str
    version: str

    def __str__(self) -> str:
        return f"{self.program} {self.version}"

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the engine's commands, and return how it ended."""
        command = [self.program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_STEP_S)

    def run(self, *arguments: str) -> str:
        """Run one of the engine's commands, which must work, and return what it says."""
        ended = self.ask(*arguments)
        assert ended.returncode == 0, (arguments, ended.stdout, ended.stderr)
        return ended.stdout.strip()

    def why_not(self, base: str) -> str | None:
        """Return why an image to build upon cannot be had; None if it is here.

        That is no registry within reach. A registry that answers and refuses, or does not know the image, fails.
        """
        if self.ask("image", "inspect", base).returncode == 0:
            return None
        pulled = self.ask("pull", base)
        if pulled.returncode == 0:
            return None
        words = pulled.stderr.strip().splitlines()[-1]
        assert _UNREACHABLE.search(words), f"{self} cannot get {base}, which the Dockerfile names: {words}"
        return words

    def build(self, tree: Path, tag: str, revision: str) -> None:
        """Build by the project's own target."""
        command = ["make", "image", f"ENGINE={self.program}", f"TAG={tag}", f"REVISION={revision}"]
        ended = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False, timeout=_BUILD_S)
        assert ended.returncode == 0, f"{self} did not build the image: {ended.stdout[-4000:]}{ended.stderr[-4000:]}"

    def described(self, name: str) -> dict[str, Any]:
        """Return what the engine knows about an image or a container."""
        (found,) = json.loads(self.run("inspect", name))
        return dict(found)

    def contents(self, tag: str, scratch: Path) -> Iterator[tuple[str, bytes]]:
        """Yield the files of every layer, also what a later one hides, and the documents that describe the image."""
        saved = scratch / "image.tar"
        self.run("save", f"--output={saved}", tag)
        with tarfile.open(saved) as archive:
            for outer in filter(tarfile.TarInfo.isfile, archive):
                stream = archive.extractfile(outer)
                assert stream is not None
                layer = tarfile.is_tarfile(stream)
                stream.seek(0)
                if layer:
                    yield from _files(stream)
                else:
                    yield outer.name, stream.read()
        saved.unlink()


def _files(layer: IO[bytes]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=layer) as archive:
        for each in filter(tarfile.TarInfo.isfile, archive):
            content = archive.extractfile(each)
            assert content is not None
            yield each.name, content.read()


def reachable() -> Engine | None:
    """Return the first engine that answers. A client without its server is none."""
    for program, question in _QUESTIONS.items():
        if shutil.which(program) is not None:
            answer = Engine(program, "").ask(*question)
            if answer.returncode == 0 and answer.stdout.strip():
                return Engine(program, answer.stdout.strip())
    return None
