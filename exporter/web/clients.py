"""Who is at the other end: the address that limits go by, seen through the proxies that are trusted."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple, TypeAlias

from aiohttp import hdrs, web

Network: TypeAlias = IPv4Network | IPv6Network
_Address: TypeAlias = IPv4Address | IPv6Address


class Client(NamedTuple):
    """Where a request comes from. `loopback`: by a listener that only this machine reaches, and from this machine."""

    group: str
    loopback: bool


def group_of(peer: object) -> str:
    """Return what stands for a peer in limits: its IPv4 address, or its network of IPv6, of which anybody has many.

    `peer` is an address of a socket, or its text. What is neither is one group of its own.
    """
    return _group(str(peer[0] if isinstance(peer, tuple) and peer else peer))


@lru_cache(maxsize=1024)  # the same few ask again and again
def _group(text: str) -> str:
    address = _parsed(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed[:8] + bytes(8), 64)))
    return str(address) if address is not None else "unknown"


class Clients:
    """Looks through trusted proxies: X-Forwarded-For counts when one of them says it, and for nobody else.

    `is_loopback` says whether a local address is of a listener that only this machine reaches. `trusted` may be
    replaced at any time.
    """

    def __init__(self, is_loopback: Callable[[object], bool], trusted: Iterable[Network] = ()) -> None:
        self._is_loopback = is_loopback
        self._directly = lru_cache(maxsize=1024)(self._peer)  # each request of a connection asks the same
        self.trusted: tuple[Network, ...] = tuple(trusted)

    def of(self, request: web.BaseRequest) -> Client:
        """Return who has sent a request."""
        connection = request.protocol
        directly = self._directly(connection.peername, connection.sockname)
        forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
        if not forwarded:
            return directly
        peer = _address(connection.peername)
        origin = self._origin(peer, forwarded)
        here = directly.loopback and (origin is peer or (origin is not None and origin.is_loopback))
        return Client(group_of(origin), here)

    def trusts(self, peer: object) -> bool:
        """Say whether a peer is a trusted proxy, which speaks for many."""
        address = _address(peer)
        return address is not None and any(address in network for network in self.trusted)

    def _peer(self, peername: object, sockname: object) -> Client:
        return Client(group_of(peername), self._is_loopback(sockname))

    def _origin(self, peer: _Address | None, forwarded: Iterable[str]) -> _Address | None:
        """Go back from the peer as long as a trusted proxy says who was before; what is no address ends the way."""
        origin = peer
        for hop in reversed([each for line in forwarded for each in line.split(",")]):
            if origin is None or not self.trusts(origin):
                break
            before = _address(hop)
            if before is None:
                break
            origin = before
        return origin


def _address(peer: object) -> _Address | None:
    if isinstance(peer, tuple) and peer:
        peer = peer[0]
    if isinstance(peer, IPv4Address | IPv6Address):
        return peer
    return _parsed(str(peer))


@lru_cache(maxsize=1024)  # the same few ask again and again
def _parsed(text: str) -> _Address | None:
    try:
        address = ip_address(text.strip().split("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
