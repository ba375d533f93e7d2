"""Where requests may come from and by which name: the rules against DNS rebinding and foreign pages."""

import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, urlsplit

from exporter.web.settings import WebSettings

_WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  (compared with, not bound to)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Listeners:
    """Knows by which names this server may be called and which connections come from this machine itself.

    A page of another site can point a name of its own at our address. So the Host that a browser sends has to be one
    that nobody else can own: an IP literal, `localhost`, this machine's name, the external URL's host, or the one by
    which the other processes of a cluster call this one.
    """

    def __init__(self, settings: WebSettings, machine_name: str | None = None) -> None:
        hosts = [host.lower() for host, _ in settings.listen]
        external = settings.external
        self._external = external
        self._everywhere = any(host in _WILDCARDS for host in hosts)
        self._names = {"localhost", *(host for host in hosts if _literal(host) is None and host not in _WILDCARDS)}
        self._literals = {literal for host in hosts if (literal := _literal(host)) is not None}
        if self._everywhere:
            self._names.add((machine_name or socket.gethostname()).lower().rstrip("."))
        for name in (
            external.hostname if external is not None else None,
            urlsplit(settings.advertise_url or "").hostname,
        ):
            if name is not None:
                literal = _literal(name)
                self._names.add(name.rstrip("."))
                self._literals |= {literal} if literal is not None else set()
        self._loopback: frozenset[tuple[str, int]] = frozenset()
        self.accepts = lru_cache(maxsize=64)(self._accepts)

    def bind(self, addresses: Iterable[tuple[str, int]]) -> None:
        """Take note of the addresses that are listened on, now that names are resolved and ports are chosen."""
        bound = {address: literal for address in addresses if (literal := _literal(address[0])) is not None}
        self._literals |= set(bound.values())
        self._loopback = frozenset(address for address, literal in bound.items() if literal.is_loopback)
        self.accepts.cache_clear()

    def _accepts(self, host_header: str) -> bool:
        """Say whether a client may call this server so; the port does not matter, it may be a forwarded one."""
        host = _host_of(host_header)
        if host is None:
            return False
        literal = _literal(host)
        if literal is not None:
            return self._everywhere or literal in self._literals
        return host in self._names

    def is_loopback(self, sockname: object) -> bool:
        """Say whether a connection with this local address came in on a listener that only this machine can reach.

        A listener on every address is none, wherever a request to it comes from: a proxy on this machine speaks for
        the whole world.
        """
        return isinstance(sockname, tuple) and sockname[:2] in self._loopback

    def is_own_origin(self, origin: str, host_header: str) -> bool:
        """Say whether a page of that origin was served by this server, under this Host or the external URL."""
        try:
            page = _authority(urlsplit(origin))
            own = _authority(urlsplit(f"{urlsplit(origin).scheme}://{host_header}"))
            external = _authority(self._external) if self._external is not None else None
        except ValueError:
            return False
        return page is not None and page in (own, external)


def _authority(parts: SplitResult) -> tuple[str, str, int] | None:
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname.rstrip("."), parts.port or _DEFAULT_PORTS[parts.scheme]


@lru_cache(maxsize=1024)  # the same few are asked for again and again
def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _host_of(header: str) -> str | None:
    """Return the host of `host`, `host:port` or `[address]:port` in lower case; None for anything else."""
    text = header.strip().lower()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        good = bool(bracket) and isinstance(_literal(host), IPv6Address)
    else:
        host, colon, port = text.partition(":")
        rest = colon + port
        good = bool(host) and "@" not in host and "/" not in host
    if not good or (rest and not (rest.startswith(":") and rest[1:].isdecimal() and rest.isascii())):
        return None
    return host.removesuffix(".")
