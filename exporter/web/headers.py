"""The headers of every answer: what this server always sends, and what the web configuration file adds or replaces."""

from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import hdrs
from multidict import MutableMultiMapping, istr

_SERVER = "bot-exporter"
_REST = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
    }
)
_ALWAYS: Mapping[str, str] = {istr(name): value for name, value in _REST.items()}


INSTANCE = "Bot-Exporter-Instance"
"""The header that says which process of a cluster has answered."""


class AnswerHeaders:
    """Completes answers. `configured` may be replaced at any time; `instance` is our name in a cluster."""

    def __init__(self, configured: Mapping[str, str] | None = None, instance: str | None = None) -> None:
        self.configured: Mapping[str, str] = configured or {}
        self._instance = instance

    def complete(self, headers: MutableMultiMapping[str]) -> None:
        """Add the headers that every answer has; what a handler has set stays, unless it is configured."""
        headers[hdrs.SERVER] = _SERVER  # the library's own names its version
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
        if self._instance is not None:
            headers.setdefault(INSTANCE, self._instance)
        for name, value in self.configured.items():
            headers[name] = value
