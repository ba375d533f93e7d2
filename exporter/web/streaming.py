"""Large answers, written piece by piece at the client's speed: nobody waits for a whole one to be copied, or sent."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from aiohttp import hdrs, web

from exporter.slices import Pace
from exporter.web.connection import PIECE, Connection

_SMALL: Final = 16 * 1024  # what is copied, rather than handed over by itself
# Whatever is handed to the system wakes the client and begins a segment. With more, more would wait for a slow client.
_AT_ONCE: Final = 2 * PIECE

_Text: TypeAlias = bytes | bytearray | memoryview


async def streamed(request: web.Request, parts: Sequence[bytes], headers: Mapping[str, str]) -> web.StreamResponse:
    """Answer with the parts as one body of a known length.

    Small parts are gathered, large ones cut, so that about 120 KiB are written at a time.
    """
    size = sum(map(len, parts))
    if size <= PIECE:
        return web.Response(body=b"".join(parts), headers=headers)
    answer = web.StreamResponse(headers=headers)
    answer.content_length = size
    await in_pieces(request, answer, parts, size)
    return answer


async def in_pieces(request: web.Request, answer: web.StreamResponse, parts: Sequence[bytes], size: int) -> None:
    """Send an answer of `size` bytes in all; a client that does not read is the connection's affair.

    Written at once, the transport would keep all of it, and tell nobody.
    """
    connection, pace = request.protocol, Pace()
    if isinstance(connection, Connection):
        connection.answering(parts, size)
    try:
        writer = await answer.prepare(request)
        if writer is None:
            return
        writer.send_headers()
        transport = request.transport
        if transport is None:
            return
        for texts in _batches(parts, transport) if request.method != hdrs.METH_HEAD else ():
            transport.writelines(texts)  # the library's writer would copy them into one
            await writer.drain()  # waits for a client that reads slowly
            await pace.rest()  # and others wait for one that reads fast
            if transport.is_closing():
                return
        await web.StreamResponse.write_eof(answer)  # that of Response would write its body once more
    except ConnectionError:
        return  # the client has gone: nobody is left to tell
    finally:
        if isinstance(connection, Connection):
            connection.answering(None, 0)


def _batches(parts: Sequence[bytes], transport: asyncio.WriteTransport) -> Iterator[list[_Text]]:
    """Yield what may be written now: with what waits already it is two pieces."""
    batch: list[_Text] = []
    room = _AT_ONCE - transport.get_write_buffer_size()
    for text in _pieces(parts):
        if batch and len(text) > room:
            yield batch
            batch, room = [], _AT_ONCE - transport.get_write_buffer_size()
        batch.append(text)
        room -= len(text)
    yield batch


def _pieces(parts: Sequence[bytes]) -> Iterator[_Text]:
    waiting = bytearray()
    for part in parts:
        if len(part) < _SMALL:
            waiting += part
            if len(waiting) >= PIECE:
                yield waiting
                waiting = bytearray()
            continue
        if waiting:
            yield waiting
            waiting = bytearray()
        whole = memoryview(part)  # its slices are no copies
        yield from (whole[start : start + PIECE] for start in range(0, len(part), PIECE))
    if waiting:
        yield waiting
