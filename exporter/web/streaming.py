"""Large answers, written as their parts are: nobody waits for a whole one to be copied, or to be sent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from aiohttp import hdrs, web

from exporter.slices import Pace

_GATHERED_BYTES: Final = 64 * 1024
_WHOLE_BYTES: Final = 1024 * 1024


async def streamed(request: web.Request, parts: Sequence[bytes], headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with the parts as one body of a known length.

    Small parts are gathered, until they are 64 KiB; large ones are written as they are, at most one MiB at a time.
    """
    size = sum(map(len, parts))
    if size <= _GATHERED_BYTES:
        return web.Response(body=b"".join(parts), headers=headers)
    answer = web.StreamResponse(headers=headers)
    answer.content_length = size
    await answer.prepare(request)
    pace = Pace()
    try:
        for text in _writes(parts) if request.method != hdrs.METH_HEAD else ():
            await answer.write(text)  # waits for a client that reads slowly
            await pace.rest()  # and others wait for one that reads fast
        await answer.write_eof()
    except ConnectionResetError:
        return answer  # the client has gone: nobody is left to tell
    return answer


def _writes(parts: Sequence[bytes]) -> Iterator[bytearray | memoryview]:
    waiting = bytearray()
    for part in parts:
        if len(part) < _GATHERED_BYTES:
            waiting += part
            if len(waiting) >= _GATHERED_BYTES:
                yield waiting
                waiting = bytearray()
            continue
        if waiting:
            yield waiting
            waiting = bytearray()
        whole = memoryview(part)  # its slices are no copies
        yield from (whole[start : start + _WHOLE_BYTES] for start in range(0, len(part), _WHOLE_BYTES))
    if waiting:
        yield waiting
