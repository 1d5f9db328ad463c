"""What may be asked of a route, and of any other backend."""

from __future__ import annotations

from shared_core import Backend, Capabilities


def askable(backend: Backend) -> Capabilities:
    """What a request may ask for: of a route what any target can do, since the others are skipped for it."""
    from shared_core import reachable  # here, because it loads the HTTP library

    return reachable(backend)


def shared_or_any(backend: Backend) -> Capabilities:
    """What all targets of a route can do; if they share no way to an object, what any can."""
    shared = backend.capabilities
    is_barred = shared.json_schema is False and (shared.tools is False or shared.tool_choice is False)
    return askable(backend) if is_barred else shared
