"""Every HTTP API we speak, as bytes and back; nothing here does I/O."""

from shared_core.wire.base import Call, Decoder, Reader, Reply, Wire

__all__ = ["Call", "Decoder", "Reader", "Reply", "Wire"]
