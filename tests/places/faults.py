"""What an error of a place is, and what must become of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared_core import BackendError, RateLimits


@dataclass(frozen=True)
class Fault:
    """What a place sends when the model's name is that of the fault, and the error it must be read as.

    `body` is JSON, or text as it is. `event` is not `None` where the error comes as a frame of a stream that began
    with HTTP 200: the name of the server-sent event, "" for one without; `done` says whether [DONE] follows it.
    `windows` are the prompt's and the window's tokens.
    """

    status: int
    body: object
    raises: type[BackendError]
    headers: Mapping[str, str] = field(default_factory=dict)
    event: str | None = None
    done: bool = False
    says: str = ""
    code: str | None = None
    request_id: str | None = None
    retry_after: float | None = None
    windows: tuple[int | None, int | None] = (None, None)
    rate_limits: RateLimits | None = None

    @property
    def data(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    @property
    def content_type(self) -> str:
        if not isinstance(self.body, str):
            return "application/json"
        return "text/html" if self.body.startswith("<") else "text/plain"


BAD_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center>cloudflare</center>\r\n</body>\r\n</html>"
"""What a proxy in front of most places says when it does not reach them."""
