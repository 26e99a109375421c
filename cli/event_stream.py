"""Reads Server-Sent Events (WHATWG HTML §9.2): the lines of a stream, and its frames.

A line ends at CR LF, LF or CR. ``str.splitlines`` and httpx's ``aiter_lines`` end one at U+2028
and seven other characters too, which may stand in the text of an event.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands before an empty line; what the frame does not name is None."""

    id: str | None = None
    event: str | None = None
    data: str | None = None


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The lines of a stream, as they end; what follows the last end is cut off, and none."""
    begun, after_cr, is_first = b"", False, True
    async for chunk in chunks:
        # a CR at the end of a chunk has ended its line; an LF that follows it ends no other
        rest = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r") if chunk else after_cr
        ended, *more = _END.split(rest)
        begun += ended
        for following in more:
            if is_first:
                begun, is_first = begun.removeprefix(_BYTE_ORDER_MARK), False
            yield begun.decode(errors="replace")
            begun = following


async def frames_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    """The frames of a stream that have an id or data; comments are passed over."""
    fields: dict[str, list[str]] = {}
    async for line in lines_of(chunks):
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        ids = [one for one in fields.get("id", ()) if "\0" not in one]
        data = "\n".join(fields["data"]) if "data" in fields else None
        if ids or data is not None:
            yield Frame(ids[-1] if ids else None, fields.get("event", [None])[-1], data)
        fields = {}
