"""Speaks to the server: one request after the other, and orders that are never given twice."""

import contextlib
import http.client
import json
import os
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from exporter.ctl.failures import CtlError, Lost, Refused, Unreachable, own_problem
from exporter.ctl.locate import Server

WAIT_S: Final = 10
CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
AGAIN_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
ORDER_LIMIT_S: Final = 150.0  # the server gives every order up before
_ASK_S: Final = 0.5

Json = Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said; `at` is its own time, as its clock and ours may differ."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    at: float

    @property
    def data(self) -> Json:
        """The body as data. Raises Refused when it is no JSON: then it does not come from this server's API."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            problem = own_problem(
                "Unexpected answer", f"the answer ({self.status}) is no JSON: is this a bot-exporter?"
            )
            raise Refused(problem | {"status": self.status}) from None


class Client:
    """Asks one server. `say` is told what happens meanwhile; `sleep` and `monotonic` are the clock it waits by.

    The server holds the answer to an order back for `wait_s` seconds; then it is asked what became of it.
    """

    def __init__(
        self,
        server: Server,
        *,
        say: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        wait_s: int = WAIT_S,
        connect_s: float = CONNECT_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.server = server
        self._say = say
        self._sleep = sleep
        self._monotonic = monotonic
        self._wait_s = wait_s
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._tls: ssl.SSLContext | None = None

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, fine: tuple[int, ...] = ()) -> Answer:
        """Return what stands at a path. Raises CtlError, unless the status is one of `fine`."""
        return self._judged(self._request("GET", path, query=query), fine)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send something that does no harm when it is sent again by hand. Raises CtlError."""
        return self._judged(self._request(method, path, body=body))

    def order(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Give an order and return the answer to it, however long that takes. Raises CtlError.

        All tries have the same idempotency key, so that an order whose answer was lost is not carried out again.
        """
        key = key or f"botctl-{secrets.token_hex(8)}"
        given = self._given(method, path, body, key, {"wait": self._wait_s, **(query or {})})
        if given.status == 202:
            given = self._settled(given)
        return self._judged(given)

    def find_order(self, order_id: str) -> Answer:
        """Return what is known of an order. Raises CtlError."""
        return self.get(f"/api/v1/orders/{quote(order_id, safe='')}")

    def _given(
        self, method: str, path: str, body: Mapping[str, Any] | None, key: str, query: Mapping[str, Any] | None
    ) -> Answer:
        pauses = iter(AGAIN_S)
        sent = False
        while True:
            try:
                return self._request(method, path, body=body, query=query, headers={"Idempotency-Key": key})
            except Unreachable as error:
                sent = sent or isinstance(error, Lost)
                pause = next(pauses, None)
                if not sent:
                    raise
                if pause is None:
                    raise _unknown_end(error, key) from None
                self._say(f"the connection was lost: asking again in {pause:g} s, with the same key, so that nothing "
                          "is ordered twice")  # fmt: skip
                self._sleep(pause)

    def _settled(self, waiting: Answer) -> Answer:
        """Follow an order to its end. Its place is looked for on the server that we know: a key goes nowhere else."""
        place = waiting.headers.get("location", "")
        order_id = place.rpartition("/api/v1/orders/")[2]
        if not order_id or "/" in order_id:
            raise Refused(
                own_problem("Unexpected answer", "the server works on the order and does not say which it is")
            )
        self._say(f"still being carried out: waiting for order {order_id}")
        until = self._monotonic() + ORDER_LIMIT_S
        while self._monotonic() < until:
            self._sleep(_ASK_S)
            try:
                found = self.find_order(order_id)
            except Unreachable as error:
                if self._monotonic() + _ASK_S >= until:
                    raise
                self._say(f"the server cannot be reached ({error}): asking for order {order_id} again")
                continue
            order = found.data
            if order["state"] == "in_doubt":
                detail = f"order {order_id} is in doubt: it may or may not have been carried out, and is not sent again"
                raise Refused({**own_problem("In doubt", detail), "order_id": order_id}, (_LOOK,))
            if order["state"] != "begun":
                return _ended(order, found)
        raise Refused(
            own_problem("Not settled", f"order {order_id} has not ended within {ORDER_LIMIT_S:g} s"),
            (f"it goes on: botctl order {order_id}",),
        )

    def _judged(self, answer: Answer, fine: tuple[int, ...] = ()) -> Answer:
        if 200 <= answer.status < 300 or answer.status in fine:
            return answer
        raise refusal(answer, self.server)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        parts = urlsplit(self.server.url)
        target = parts.path + path + (f"?{urlencode(query, doseq=True)}" if query else "")
        sent = {"Accept": "application/json", "Connection": "close", **(headers or {})}
        if self.server.key is not None:
            sent["X-API-Key"] = self.server.key.reveal()
        content = None
        if body is not None:
            content, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = self._connection(parts.hostname or "", parts.port)
        try:
            self._connect(connection)
            return self._exchange(connection, method, target, content, sent)
        finally:
            connection.close()

    def _connection(self, host: str, port: int | None) -> http.client.HTTPConnection:
        if not self.server.encrypted:
            return http.client.HTTPConnection(host, port, timeout=self._connect_s)
        if self._tls is None:
            self._tls = tls_context(self.server)
        return http.client.HTTPSConnection(host, port, timeout=self._connect_s, context=self._tls)

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except OSError as error:
            raise unreachable(self.server, error) from None
        if connection.sock is not None:
            connection.sock.settimeout(self._answer_s)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Lost(
                f"{self.server.url} ({self.server.found}) was reached, and then no answer came: {_in_words(error)}",
                "try again; if it stays so, see whether the address is that of bot-exporter (http or https?)",
            ) from None
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, body, found, server_time(found))


_LOOK: Final = "see what has happened with botctl history --kind order, and with botctl lobbies or botctl races"


def tls_context(server: Server) -> ssl.SSLContext:
    """Return how the server's certificate is checked. Raises Unreachable for a CA file that cannot be used."""
    try:
        return ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise Unreachable(
            f"{server.ca_file} cannot be used to check the server's certificate: {_in_words(error)}",
            "give a PEM file with the certificate of the authority that issued it",
        ) from None


def unreachable(server: Server, error: BaseException) -> Unreachable:
    """Return what to tell about a connection that did not come about: which address, who named it, what to try."""
    where = f"{server.url} (from {server.found})"
    match error:
        case ssl.SSLCertVerificationError():
            return Unreachable(
                f"the certificate of {where} is not trusted: {error.verify_message}",
                "give the certificate of its authority with --ca-file or BOTCTL_CA_FILE, and the name that stands in "
                "the server's certificate with --url",
            )
        case ssl.SSLError():
            return Unreachable(
                f"no TLS connection to {where}: {_in_words(error)}",
                "if the server speaks plain HTTP write http:// in the address",
            )
        case socket.gaierror():
            return Unreachable(f"the host of {where} is not known: {_in_words(error)}", "see whether the name is right")
        case TimeoutError():
            return Unreachable(f"no answer from {where} in time", "see whether a firewall stands in between")
    hints = ["see whether it runs there, and listens on that address (--web.listen-address of bot-exporter)"]
    if server.pid is not None and not _runs(server.pid):
        hints.insert(0, f"process {server.pid}, which wrote that file, does not run any more: start the exporter")
    return Unreachable(f"nothing answers at {where}: {_in_words(error)}", *hints)


def _in_words(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "it took too long"
        case ssl.SSLError(reason=str(reason)):
            return reason.replace("_", " ").lower()
        case OSError(strerror=str(words)):
            return words.lower()
        case http.client.RemoteDisconnected():
            return "the connection was closed"
        case http.client.HTTPException():
            return "that is not HTTP"
    return str(error) or type(error).__name__


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def server_time(headers: Mapping[str, str]) -> float:
    """Return the time that an answer says it is, to the second; ours if it says none."""
    try:
        return parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return time.time()


def _ended(order: Mapping[str, Any], found: Answer) -> Answer:
    """Return the answer that an order would have got at once."""
    headers = {"order-id": str(order["id"]), "location": str(order.get("location") or "")}
    return Answer(int(order["code"]), json.dumps(order["result"]).encode(), headers, found.at)


def _unknown_end(error: Unreachable, key: str) -> Lost:
    return Lost(
        f"{error}. The order was sent, and may have been carried out",
        f"give it again with --idempotency-key {key}: that orders nothing twice",
        _LOOK,
    )


def refusal(answer: Answer, server: Server) -> CtlError:
    """Return the server's problem as an error, with what can be done from here."""
    problem: Json = None
    with contextlib.suppress(ValueError, RecursionError):
        problem = json.loads(answer.body)
    if not isinstance(problem, dict) or not isinstance(problem.get("detail"), str):
        title = http.client.responses.get(answer.status, "unknown status")
        where = f"; it sends to {answer.headers['location'][:200]}" if "location" in answer.headers else ""
        detail = f"{server.url} ({server.found}) answered {title}{where}: is this the address of a bot-exporter?"
        problem = {"type": "about:blank", "title": title, "status": answer.status, "detail": detail}
    problem.setdefault("status", answer.status)
    return Refused(problem, _hints(answer, server))


def _hints(answer: Answer, server: Server) -> tuple[str, ...]:
    wait = answer.headers.get("retry-after", "")
    match answer.status:
        case 401 if server.key is None:
            return ("name a file with a key: --key-file or BOTCTL_KEY_FILE",)
        case 401 | 403:
            return (f"the key that was sent is from {server.key_found}; another one: --key-file or BOTCTL_KEY_FILE",)
        case 421:
            return ("call the server by its IP address, or by the host of its --web.external-url",)
        case 503 | 429 if wait:
            return (f"try again in {wait[:10]} s",)
        case 504:
            return (_LOOK,)
    return ()
