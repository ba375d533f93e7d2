"""The question of `--healthcheck`: is the server alive? Asked every 30 s, so it imports little."""

import http.client
import ssl
import sys
from typing import TYPE_CHECKING, Final

from exporter.addresses import LIVENESS, Addresses, shown

if TYPE_CHECKING:
    from exporter.web_config import ServerTls

_LIMIT_S: Final = 3.0
# How a client without a certificate is turned away in the middle of a handshake of TLS 1.2.
_REFUSED_TLS12: Final = ("SSLV3_ALERT_HANDSHAKE_FAILURE", "UNEXPECTED_EOF_WHILE_READING")


def healthcheck(server: Addresses, tls: "ServerTls | None" = None) -> int:
    """Ask the server that has these addresses; return 0 if it is alive.

    With TLS the certificate is not verified: it is made for the name that clients use, not for the address that is
    asked here, and nothing secret is sent. A server that wants a client certificate refuses this client, which has
    none. That counts as alive, because it is the event loop that refuses.
    """
    host, port = server.listen[0]
    asked = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  (asked, not opened)
    path = f"{server.prefix}{LIVENESS}"
    if tls is None:
        connection = http.client.HTTPConnection(asked, port, timeout=_LIMIT_S)
    else:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(asked, port, timeout=_LIMIT_S, context=context)
    connected = False
    try:
        connection.connect()
        connected = True
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        # In TLS 1.3 a server asks for a certificate after the client's handshake, and may just hang up.
        refused = connected and not isinstance(error, TimeoutError)
        if tls is not None and tls.client_must_show and (refused or getattr(error, "reason", None) in _REFUSED_TLS12):
            return 0
        print(f"bot-exporter: no answer from {shown(asked, port)}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    finally:
        connection.close()
    if status != 200:
        print(f"bot-exporter: {shown(asked, port)}{path} answered {status}", file=sys.stderr)  # noqa: T201
        return 1
    return 0
