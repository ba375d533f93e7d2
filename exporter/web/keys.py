"""Who may do what: named keys with a role, users of basic auth, and the gate that every route is behind."""

import base64
import binascii
import hmac
import math
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from aiohttp import web

from exporter.errors import StartError
from exporter.secrets import hide_nothing, read_secret_file
from exporter.sections import Web
from exporter.web.answers import HttpProblem
from exporter.web.clients import Client, Network
from exporter.web.failures import Failures
from exporter.web.passwords import Passwords
from exporter.web.tickets import Admission, Tickets

ADMIN_KEY_FILE: Final = "admin.key"


class Role(StrEnum):
    """What a key is good for: admin includes read."""

    READ = "read"
    ADMIN = "admin"


class Access(StrEnum):
    """Who may use a route.

    PUBLIC is for probes, always open. PAGE is the shell for people, METRICS the telemetry path: both are open unless
    basic auth, or for the latter `web.metrics_key`, closes them.
    """

    PUBLIC = "public"
    PAGE = "page"
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


KEY: Final = web.RequestKey("access key", AccessKey)
"""Where a request keeps the key that opened the gate, if one was needed."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What the configuration says about who may do what. `made_key` is the file of the key that was made for want of
    a configured one."""

    keys: tuple[AccessKey, ...] = ()
    open_reads: bool = False
    metrics_key: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    made_key: Path | None = None


def read_rules(section: Web, data_dir: Path, hide: Callable[[str], None] = hide_nothing) -> AccessRules:
    """Return the rules, with the key files as they are now; without a configured key, with the one in `data_dir`.

    That one is made when it is not there yet. `hide` is told every key. Raises SecretError and StartError; blocks for
    the files.
    """
    named = [(key.name, key.role, key.key_file) for key in section.keys]
    made = None if named else _made_key(data_dir)
    if made is not None:
        named = [("admin", "admin", made)]
    keys = []
    for name, role, path in named:
        text = read_secret_file(path).reveal()
        hide(text)
        keys.append(AccessKey.of(name, role, text))
    return AccessRules(tuple(keys), section.open_reads, section.metrics_key, section.trusted_proxies, made)


def _made_key(data_dir: Path) -> Path:
    """Return the file with the key that stands in for configured ones; it is made at the first start, and kept."""
    path = data_dir / ADMIN_KEY_FILE
    if path.exists():
        return path
    unfinished = path.with_suffix(".new")  # a start that is killed in between leaves no half of a key
    try:
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(f"{secrets.token_urlsafe(32)}\n")
        unfinished.replace(path)
    except OSError as error:
        msg = f"cannot write an admin key to {path}: {error.strerror}; make the directory writable or give --data.dir"
        raise StartError(msg) from error
    return path


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogateescape")).digest()


_SCHEME: Final = "bearer "
_HOW: Final = "send it in the header X-API-Key, or as Authorization: Bearer <key>"
_ASK_KEY: Final = {"WWW-Authenticate": 'Bearer realm="bot-exporter"'}
_ASK_USER: Final = {"WWW-Authenticate": 'Basic realm="bot-exporter", charset="UTF-8"'}


class Gate:
    """Decides whether a request may pass.

    Of keys only digests are compared, all of them and in constant time. With basic auth, each route but the probes
    needs a user or a key; a user may read, orders need an admin key all the same, because a browser sends a password
    by itself, also for a page of somebody else. What is right always passes; only failures are limited.
    """

    def __init__(
        self,
        rules: AccessRules,
        failures: Failures,
        passwords: Passwords | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        self._rules = rules
        self._failures = failures
        self._passwords = passwords
        self._tickets = tickets

    def change(self, rules: AccessRules) -> None:
        """Use other rules from now on, after a reload."""
        self._rules = rules

    async def admit(self, access: Access, headers: Mapping[str, str], client: Client) -> AccessKey | None:
        """Return the key that opened the gate, None where none is needed; raises HttpProblem (401, 403, 429)."""
        if self._is_open(access, client):
            return None
        offered = self._offered(headers)
        key = self._find(offered)
        if key is not None:
            if access is Access.ADMIN and key.role is not Role.ADMIN:
                raise HttpProblem(403, f"the key {key.name} has the role read, this needs the role admin")
            return key
        login = _login(headers) if self._basic and access is not Access.ADMIN else None
        if login is not None and await self._is_user(login, client):
            return None
        if offered is not None or login is not None:
            self._limit(client)
            self._failures.note(client.group)
        raise self._refusal(access, headers, offered, login)

    def redeem(self, ticket: str, client: Client) -> Admission:
        """Return what a ticket was made with, and use it up; raises HttpProblem (401, 429)."""
        admission = self._tickets.take(ticket) if self._tickets is not None else None
        if admission is None:
            self._limit(client)
            self._failures.note(client.group)
            detail = "the ticket is not good: it was used, is older than 30 seconds, or was never made; get another"
            raise HttpProblem(401, detail, _ASK_USER if self._basic else _ASK_KEY)
        return admission

    def admission(self, key: AccessKey | None, client: Client) -> Admission:
        """Return why somebody may read now: by this key, because reads are open, or as a user of basic auth."""
        if key is not None:
            return Admission(lambda: key in self._rules.keys)
        if self._is_open(Access.READ, client):
            return Admission(lambda: self._is_open(Access.READ, client))
        users = self._users
        return Admission(lambda: self._users == users)

    @property
    def _users(self) -> Mapping[str, bytes]:
        return self._passwords.users if self._passwords is not None else {}

    @property
    def _basic(self) -> bool:
        return self._passwords is not None and self._passwords.wanted

    def _is_open(self, access: Access, client: Client) -> bool:
        rules = self._rules
        match access:
            case Access.PUBLIC:
                return True
            case _ if self._basic:
                return False
            case Access.PAGE:
                return True
            case Access.METRICS:
                return not rules.metrics_key
            case Access.READ:
                return client.loopback or rules.open_reads
            case Access.ADMIN:
                return False

    def _find(self, offered: str | None) -> AccessKey | None:
        if offered is None:
            return None
        digest = _digest(offered)
        found = [key for key in self._rules.keys if hmac.compare_digest(key.digest, digest)]
        return found[0] if found else None

    async def _is_user(self, login: tuple[str, str], client: Client) -> bool:
        assert self._passwords is not None  # noqa: S101  (asked only with basic auth)
        known = self._passwords.known(*login)
        if known is not None:
            return known
        self._limit(client)  # nobody may keep bcrypt busy by guessing
        return await self._passwords.check(*login)

    def _limit(self, client: Client) -> None:
        wait_s = self._failures.wait_s(client.group)
        if wait_s > 0:
            detail = "too many wrong keys or passwords came from this address: wait a minute, then send the right one"
            raise HttpProblem(429, detail, {"Retry-After": str(math.ceil(wait_s))})

    def _offered(self, headers: Mapping[str, str]) -> str | None:
        own = headers.get("X-API-Key")
        if own is not None:
            return own.strip()
        return None if self._basic else _bearer(headers)

    def _refusal(
        self, access: Access, headers: Mapping[str, str], offered: str | None, login: tuple[str, str] | None
    ) -> HttpProblem:
        if self._basic and _bearer(headers) is not None and offered is None:
            detail = "basic auth is on, which needs the header Authorization for itself: send a key in X-API-Key"
            return HttpProblem(401, detail, _ASK_USER)
        wanted = "the role admin" if access is Access.ADMIN else "the role read or admin"
        if self._basic and access is not Access.ADMIN:
            trouble = "no user and password were sent" if login is None else "this user and password are not known here"
            if offered is not None:
                trouble = "the key that was sent is not known here"
            detail = f"{trouble}: this needs a user of basic auth, or a key with {wanted} in the header X-API-Key"
            return HttpProblem(401, detail, _ASK_USER)
        trouble = "no key was sent" if offered is None else "the key that was sent is not known here"
        how = "send it in the header X-API-Key" if self._basic else _HOW
        detail = f"{trouble}: this needs a key with {wanted}; {how}. {self._where()}"
        return HttpProblem(401, detail, _ASK_USER if self._basic else _ASK_KEY)

    def _where(self) -> str:
        if self._rules.made_key is not None:
            return f"None is configured: the one that was made for you is in {ADMIN_KEY_FILE} in the data directory"
        return "Keys are named under web.keys in the configuration"


def _bearer(headers: Mapping[str, str]) -> str | None:
    text = headers.get("Authorization", "")
    return text[len(_SCHEME) :].strip() if text.lower().startswith(_SCHEME) else None


def _login(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return user and password of basic auth; what cannot be read is nobody's."""
    scheme, _, encoded = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError):
        text = ""
    user, _, password = text.partition(":")
    return user, password
