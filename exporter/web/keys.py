"""Who may do what: named keys with a role, and the gate that every route is behind."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from exporter.secrets import read_secret_file
from exporter.sections import Web
from exporter.web.answers import HttpProblem


class Role(StrEnum):
    """What a key is good for: admin includes read."""

    READ = "read"
    ADMIN = "admin"


class Access(StrEnum):
    """Who may use a route."""

    PUBLIC = "public"
    METRICS = "metrics"
    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One key. Only its digest is kept, so that no log, error or memory dump can give the key away."""

    name: str
    role: Role
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, role: str, text: str) -> "AccessKey":
        """Return the key whose text the client has to send."""
        return cls(name, Role(role), _digest(text))


def read_keys(section: Web) -> tuple[AccessKey, ...]:
    """Read the key files of the configuration as they are now. Raises SecretError; blocks for the reading."""
    return tuple(AccessKey.of(key.name, key.role, read_secret_file(key.key_file).reveal()) for key in section.keys)


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()


_SCHEME = "bearer "
_HOW = "send it in the header X-API-Key, or as Authorization: Bearer <key>"


class Gate:
    """Decides whether a request may pass. Only digests are compared, all of them and in constant time."""

    def __init__(self, keys: Iterable[AccessKey] = (), *, open_reads: bool = False) -> None:
        self._keys: tuple[AccessKey, ...] = ()
        self._open_reads = False
        self.change(keys, open_reads=open_reads)

    def change(self, keys: Iterable[AccessKey], *, open_reads: bool) -> None:
        """Use other keys from now on, after a reload."""
        self._keys = tuple(keys)
        self._open_reads = open_reads

    def admit(self, access: Access, headers: Mapping[str, str], *, loopback: bool) -> AccessKey | None:
        """Return the key that opened the gate, None where none is needed; raises HttpProblem (401, 403).

        `loopback` says that the request came in on a loopback listener.
        """
        if access in (Access.PUBLIC, Access.METRICS):
            return None
        if access is Access.READ and (loopback or self._open_reads):
            return None
        key = self._find(_offered(headers))
        if key is None:
            raise self._unknown(access, headers)
        if access is Access.ADMIN and key.role is not Role.ADMIN:
            msg = f"the key {key.name} has the role read, this needs the role admin"
            raise HttpProblem(403, msg)
        return key

    def _find(self, offered: str | None) -> AccessKey | None:
        if offered is None:
            return None
        digest = _digest(offered)
        found = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        return found[0] if found else None

    def _unknown(self, access: Access, headers: Mapping[str, str]) -> HttpProblem:
        wanted = "the role admin" if access is Access.ADMIN else "the role read or admin"
        trouble = "no key was sent" if _offered(headers) is None else "the key that was sent is not known here"
        detail = (
            f"{trouble}: this needs a key with {wanted}; {_HOW}. Keys are named under web.keys in the configuration"
        )
        return HttpProblem(401, detail, {"WWW-Authenticate": 'Bearer realm="bot-exporter"'})


def _offered(headers: Mapping[str, str]) -> str | None:
    own = headers.get("X-API-Key")
    if own is not None:
        return own.strip()
    bearer = headers.get("Authorization", "")
    return bearer[len(_SCHEME) :].strip() if bearer.lower().startswith(_SCHEME) else None
