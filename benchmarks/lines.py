"""How a benchmark talks to the processes that it starts: one JSON line a question, one JSON line an answer.

The helper's side uses the standard library only, so that it also runs in the virtual environment of a peer.
"""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parent.parent

Json = dict[str, Any]
Answer = Callable[[Json], Json]


class HelperEnded(Exception):
    """A helper process has ended, or does not answer."""


class Helper:
    """A process that answers questions. What it writes to stderr goes to `log`.

    `program` is run instead of a Python module.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        log: IO[bytes],
        python: str = sys.executable,
        program: Path | None = None,
    ) -> None:
        self._name = module
        self._process = subprocess.Popen(
            [program, *arguments] if program is not None else [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=ROOT,
            env=users_environment(),
        )
        self._to, self._from = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def send(self, question: str, **facts: object) -> None:
        """Ask without waiting; each question must be followed by `receive`. Raises HelperEnded."""
        try:
            self._to.write(json.dumps({"ask": question, **facts}).encode() + b"\n")
            self._to.flush()
        except OSError as error:
            raise HelperEnded(f"{self._name} has ended") from error

    def receive(self, limit_s: float = 60.0) -> Json:
        """Return the answer; raises HelperEnded."""
        readable, _, _ = select.select([self._from], [], [], limit_s)
        line = self._from.readline() if readable else b""
        if not line:
            raise HelperEnded(f"{self._name} {'has ended' if readable else 'does not answer'}")
        answer: Json = json.loads(line)
        return answer

    def ask(self, question: str, *, limit_s: float = 60.0, **facts: object) -> Json:
        """Ask and return the answer; raises HelperEnded."""
        self.send(question, **facts)
        return self.receive(limit_s)

    def hang_up(self) -> None:
        """Tell the helper to end: it sees its input end."""
        try:
            self._to.close()
        except OSError:
            return

    def kill(self) -> None:
        """End the process as a crash of its machine would: it is told nothing."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Make sure that the process has ended."""
        self.hang_up()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._from.close()


def users_environment() -> dict[str, str]:
    """Return our environment without what makes Python compile every module again at each start."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def ask_all(helpers: Sequence[Helper], question: str, *, limit_s: float = 60.0, **facts: object) -> list[Json | None]:
    """Ask all at once; None stands for one that has ended."""

    def sent(helper: Helper) -> bool:
        try:
            helper.send(question, **facts)
        except HelperEnded:
            return False
        return True

    def received(helper: Helper) -> Json | None:
        try:
            return helper.receive(limit_s)
        except HelperEnded:
            return None

    asked = [sent(helper) for helper in helpers]
    return [received(helper) if is_asked else None for helper, is_asked in zip(helpers, asked, strict=True)]


def answer_questions(answers: Mapping[str, Answer], ended: Callable[[], object]) -> None:
    """Answer what is asked on stdin in a thread of its own; `ended` is called there after the last question."""

    def work() -> None:
        for line in sys.stdin:
            question: Json = json.loads(line)
            say(answers[question["ask"]](question))
        ended()

    threading.Thread(target=work, name="questions", daemon=True).start()


def say(answer: Json) -> None:
    """Write one answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
