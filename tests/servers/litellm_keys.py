"""The virtual keys of the LiteLLM proxy under test, which loads this file: without a database it has none of its own.

What a key may spend, and how often it may ask, is then counted and refused by LiteLLM itself.
"""

from __future__ import annotations

from typing import Any

from litellm.proxy._types import ProxyErrorTypes, ProxyException, UserAPIKeyAuth, hash_token  # noqa: TID251 - runs there

LIMITS: dict[str, dict[str, Any]] = {
    "sk-virtual-good": {},
    "sk-virtual-poor-sync": {"max_budget": 1e-6},
    "sk-virtual-poor-async": {"max_budget": 1e-6},
    "sk-virtual-poor-framework": {"max_budget": 1e-6},
    "sk-virtual-slow-sync": {"rpm_limit": 1},
    "sk-virtual-slow-async": {"rpm_limit": 1},
}


async def authorize(request: object, api_key: str) -> UserAPIKeyAuth:
    """Say who has this key; a key that is not known is refused in LiteLLM's own words for that."""
    if api_key not in LIMITS:
        raise ProxyException(
            message=(
                f"Authentication Error, Invalid proxy server token passed. Received API Key = sk-...{api_key[-4:]}, "
                f"Key Hash (Token) ={hash_token(api_key)}. Unable to find token in cache or "
                "`LiteLLM_VerificationTokenTable`"
            ),
            type=ProxyErrorTypes.token_not_found_in_db,
            param="key",
            code=401,
        )
    return UserAPIKeyAuth(api_key=api_key, token=hash_token(api_key), **LIMITS[api_key])
