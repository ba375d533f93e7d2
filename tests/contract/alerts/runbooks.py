"""The pages of docs/runbooks, in parts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from tests.contract.alerts.shipped import RUNBOOKS

PARTS: Final = ("What it means", "What to check", "What to do", "When it is over", "Escalate")


@dataclass(frozen=True, slots=True)
class Runbook:
    """One page: its text, and the text of each part by its heading."""

    path: Path
    text: str
    parts: dict[str, str]

    @property
    def name(self) -> str:
        return self.path.stem

    def blocks(self, language: str) -> list[str]:
        return blocks(self.text, language)

    @property
    def commands(self) -> Iterator[str]:
        """Yield every line that is to be pasted into a shell."""
        for block in self.blocks("sh"):
            yield from block.splitlines()


def blocks(text: str, language: str) -> list[str]:
    """Return the code of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@cache
def runbooks() -> tuple[Runbook, ...]:
    """Return every page but the index."""
    return tuple(_read(path) for path in sorted(RUNBOOKS.glob("*.md")) if path.name != "README.md")


def _read(path: Path) -> Runbook:
    text = path.read_text(encoding="utf-8")
    _, *rest = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return Runbook(path, text, dict(zip(rest[::2], rest[1::2], strict=True)))
