"""Secrets that can be found again in whatever form they come out."""

import base64
import secrets
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Vault:
    """All secrets of a scene by what they are; `leaks` finds them, plain, escaped or packed.

    A seeded secret has a unique core of letters and digits, which URL, JSON and YAML forms leave as it is.
    """

    needles: dict[bytes, str] = field(default_factory=dict)

    def new(self, what: str, *, around: str = "{}") -> str:
        """Make a secret with its core within `around`."""
        core = secrets.token_hex(10)
        self.keep(what, core)
        return around.format(core)

    def keep(self, what: str, value: str | bytes) -> None:
        """Remember a secret that somebody else made."""
        raw = value.encode() if isinstance(value, str) else value
        forms = {raw, raw.hex().encode(), raw.hex().upper().encode()}
        for shift in range(3):  # what of its base64 does not depend on what stands around it
            packed = base64.b64encode(bytes(shift) + raw + bytes(3 - (shift + len(raw)) % 3))
            middle = packed[2 * bool(shift) + 2 : -4 - (len(raw) + shift) % 3]
            forms |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
        self.needles |= {form: what for form in forms if len(form) >= 5}

    def leaks(self, where: str, text: str | bytes) -> list[str]:
        """Return which secrets are in a text."""
        raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
        return sorted({f"{what} in {where}" for needle, what in self.needles.items() if needle in raw})

    def leaks_in_files(self, folder: Path, *, but: Path) -> list[str]:
        """Return which secrets are in the files below a folder, but in those below that one."""
        found = []
        for path in folder.rglob("*"):
            if but not in path.parents and path.is_file():
                found += self.leaks(str(path.relative_to(folder)), path.read_bytes())
        return found
