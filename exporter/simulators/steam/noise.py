"""What a real CM says after a logon that a bot has no use for: skipping it must hurt nobody."""

import struct
from typing import Final

from exporter.platforms.steam.framing import PROTOBUF_BIT, Header, encode_frame, encode_multi
from exporter.platforms.steam.messages import Emsg, Result

SERVICE_METHOD: Final = 146
FRIENDS_LIST: Final = 767
LICENSE_LIST: Final = 780
VAC_BAN_STATUS: Final = 782
EMAIL_ADDR_INFO: Final = 5456
NOBODY_KNOWS: Final = 59_999

_EXTENDED: Final = struct.Struct("<IBHqqBqi")


def struct_frame(number: int, steamid: int, session_id: int, body: bytes) -> bytes:
    """Return an old message, one without protobuf: an extended header and a plain structure."""
    return _EXTENDED.pack(number & ~PROTOBUF_BIT, _EXTENDED.size, 2, -1, -1, 239, steamid, session_id) + body


def after_logon(header: Header) -> list[bytes]:
    """Return the frames. The number that no client knows comes alone: some clients lose the rest of a Multi over it."""
    notice = Header(
        steamid=header.steamid,
        client_sessionid=header.client_sessionid,
        target_job_name="PlayerClient.NotifyLastPlayedTimes#1",
        eresult=Result.OK,
    )
    inner = [
        encode_frame(FRIENDS_LIST, header, b""),
        encode_frame(LICENSE_LIST, header, b""),
        struct_frame(VAC_BAN_STATUS, header.steamid, header.client_sessionid, struct.pack("<I", 0)),
        encode_frame(EMAIL_ADDR_INFO, header, b""),
        encode_frame(SERVICE_METHOD, notice, b""),
    ]
    return [
        encode_frame(Emsg.MULTI, Header(), encode_multi(inner, zipped=False)),
        encode_frame(NOBODY_KNOWS, header, b"\x08\x01"),
    ]
