"""Steam Guard codes from a shared secret: RFC 6238 over 30 s steps, written with Steam's own alphabet."""

import hashlib
import hmac
import struct

STEP_S = 30
_ALPHABET = "23456789BCDFGHJKMNPQRTVWXY"
_LENGTH = 5


def step_of(at: float) -> int:
    """Return the number of the step in which that Unix time lies."""
    return int(at) // STEP_S


def code_of_step(shared_secret: bytes, step: int) -> str:
    """Return the code that is right during one step."""
    # Steam's definition, not our choice: the codes are made with SHA-1.
    digest = hmac.new(shared_secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[19] & 0x0F
    number = struct.unpack_from(">I", digest, offset)[0] & 0x7FFFFFFF
    code = ""
    for _ in range(_LENGTH):
        number, place = divmod(number, len(_ALPHABET))
        code += _ALPHABET[place]
    return code
