"""A path over loopback that holds everything back for a while in each direction, for counting round trips."""

from __future__ import annotations

import asyncio
import re
from types import TracebackType


class DelayedPath:
    """Listens on a port of its own and carries connections to the port in `address`, `delay` seconds each way."""

    def __init__(self, address: str, delay: float) -> None:
        found = re.search(r"/tcp/(\d+)", address)
        if found is None:
            raise ValueError(f"no TCP port in {address}")
        self._target = address
        self._port = int(found.group(1))
        self._delay = delay
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> DelayedPath:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    @property
    def address(self) -> str:
        """The listener's address, by way of this path."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return re.sub(r"/tcp/\d+", f"/tcp/{port}", self._target, count=1)

    async def _carry(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ways = ((near_reader, far_writer), (far_reader, near_writer))
        pumps = [asyncio.create_task(self._pump(reader, writer)) for reader, writer in ways]
        self._pumps.update(pumps)
        await asyncio.gather(*pumps, return_exceptions=True)
        self._pumps.difference_update(pumps)
        near_writer.close()
        far_writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Writes each piece, and at last the end, `delay` after it came."""
        loop = asyncio.get_running_loop()
        end = loop.create_future()

        def give(piece: bytes) -> None:
            if piece:
                writer.write(piece)
            elif not end.done():
                end.set_result(None)

        piece = b"more"
        while piece:
            try:
                piece = await reader.read(1 << 16)
            except ConnectionError:
                piece = b""
            loop.call_later(self._delay, give, piece)
        await end
        if writer.can_write_eof():
            writer.write_eof()
