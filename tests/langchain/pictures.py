"""Pictures for the suites that would download them."""

from __future__ import annotations

import struct
import zlib


def white_pixel() -> bytes:
    """One white pixel, as PNG."""

    def section(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = section(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + section(b"IDAT", zlib.compress(b"\x00\xff")) + section(b"IEND", b"")
