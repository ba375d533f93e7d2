"""What the site's answers and the network's failures mean for the failure policy. No error text holds a secret."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import orjson
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from exporter.errors import ExporterError, FailureReason, RateLimited, TransientError

_RETRY_AFTER_S = 60.0


class Forbidden(ExporterError):
    """The site answered 403: the token, or the bot, may not do this. The bot decides what follows."""


class NotFound(ExporterError):
    """The site answered 404: no such category or race."""


class NotSent(TransientError):
    """No connection came about, so the request was not sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, what: str) -> dict[str, object]:
        """Return the JSON object of the body; errors come as HTML or empty (racetime protocol notes, section 2)."""
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise TransientError(FailureReason.PROTOCOL, f"{what}: the answer is {kind or 'nothing'}, not JSON")
        try:
            value = orjson.loads(self.body)
        except ValueError:
            raise TransientError(FailureReason.PROTOCOL, f"{what}: the answer is broken JSON") from None
        if not isinstance(value, dict):
            raise TransientError(FailureReason.PROTOCOL, f"{what}: the answer is no JSON object")
        return value


def good(answer: Answer, what: str) -> Answer:
    """Return the answer if it is a good one; otherwise raise what its status stands for."""
    match answer.status:
        case 200:
            return answer
        case 403 if "cf-mitigated" not in answer.headers:
            # Assumption: Cloudflare marks refusals of its own like that; they say nothing about the token.
            raise Forbidden(f"{what}: racetime.gg answered 403")
        case 404:
            raise NotFound(f"{what}: racetime.gg answered 404")
        case 429:
            wait = answer.headers.get("Retry-After", "")
            wait_s = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else _RETRY_AFTER_S
            raise RateLimited(max(wait_s, 1.0), f"{what}: racetime.gg asks to slow down (429)")
        case status if status >= 500:
            raise TransientError(FailureReason.HTTP_5XX, f"{what}: racetime.gg answered {status}")
    raise TransientError(FailureReason.PROTOCOL, f"{what}: racetime.gg answered {answer.status}")


def form_errors(answer: Answer) -> list[str]:
    """Return the site's words of a refused form, each with its field, if it has one."""
    try:
        errors = answer.json("form").get("errors")
    except TransientError:
        errors = None
    if not isinstance(errors, dict):
        return ["racetime.gg refused the form without saying why"]
    return [
        f"{field}: {text}" if field != "__all__" else str(text)
        for field, texts in errors.items()
        for text in (texts if isinstance(texts, list) else [texts])
    ]


def network_error(what: str, error: Exception) -> TransientError:
    """Return what a failed connection means, told apart by reason."""
    kind = (
        NotSent if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError) else TransientError
    )
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    match cause:
        case _ if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError) or isinstance(cause, ssl.SSLError):
            return kind(FailureReason.TLS, f"{what}: the TLS connection cannot be made: {_tls_words(cause)}")
        case socket.gaierror() | aiohttp.ClientConnectorDNSError():
            return kind(FailureReason.DNS, f"{what}: the host name cannot be resolved")
        case ConnectionRefusedError():
            return kind(FailureReason.REFUSED, f"{what}: the connection was refused")
        case TimeoutError():
            return kind(FailureReason.TIMEOUT, f"{what}: no answer in time")
        case InvalidStatus(response=response):
            reason = FailureReason.HTTP_5XX if response.status_code >= 500 else FailureReason.PROTOCOL
            return kind(reason, f"{what}: answered {response.status_code} instead of a WebSocket")
        case InvalidMessage() | EOFError():
            return kind(FailureReason.PROTOCOL, f"{what}: the connection ended without an answer")
        case InvalidHandshake() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return kind(FailureReason.PROTOCOL, f"{what}: the answer is no valid HTTP")
        case OSError() | aiohttp.ServerDisconnectedError() | ConnectionClosed():
            return kind(FailureReason.OTHER, f"{what}: the connection was lost ({type(cause).__name__})")
    return kind(FailureReason.OTHER, f"{what}: {type(error).__name__}")


def _tls_words(cause: BaseException) -> str:
    certificate = cause.certificate_error if isinstance(cause, aiohttp.ClientConnectorCertificateError) else cause
    return getattr(certificate, "verify_message", "") or getattr(certificate, "reason", "") or "no details"
