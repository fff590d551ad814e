"""Errors in each wire's shape, as bodies of HTTP errors and inside streams.

Sources: `ErrorResponse` of the `anthropic` SDK (https://platform.claude.com/docs/en/api/errors), and
https://developers.openai.com/api/docs/guides/error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from routerctl.types import ApiFormat

KINDS: Mapping[int, str] = {  # HTTP status -> Anthropic's error.type
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
STATUSES: Mapping[str, int] = {kind: status for status, kind in KINDS.items()}
_OPENAI_KINDS: Mapping[str, str] = {  # Anthropic's error.type -> OpenAI's
    "request_too_large": "invalid_request_error",
    "not_found_error": "invalid_request_error",
    "rate_limit_error": "requests",
    "billing_error": "insufficient_quota",
    "api_error": "server_error",
    "timeout_error": "server_error",
    "overloaded_error": "server_error",
}
_OPENAI_CODES: Mapping[str, str] = {  # likewise -> OpenAI's error.code, where nobody knows a better one
    "authentication_error": "invalid_api_key",
    "not_found_error": "model_not_found",
    "rate_limit_error": "rate_limit_exceeded",
    "billing_error": "insufficient_quota",
    "overloaded_error": "overloaded",
}


def kind_of(status: int) -> str:
    """Give Anthropic's word for an HTTP status."""
    return KINDS.get(status, "overloaded_error" if status == 503 else "api_error" if status >= 500 else KINDS[400])


def error_body(
    wire: ApiFormat,
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    request_id: str = "",
) -> tuple[int, dict[str, Any]]:
    """Give the status and body of an HTTP error as a wire has them; `code`: the stable one, if there is one."""
    if wire == "messages":
        status = 529 if status == 503 else status
        return status, messages_error(kind_of(status), message, code=code, request_id=request_id)
    return 503 if status == 529 else status, openai_error(kind_of(status), message, code=code, param=param)


def messages_error(kind: str, message: str, *, code: str | None = None, request_id: str = "") -> dict[str, Any]:
    """Give Anthropic's error; `kind`: its own word."""
    details = {"details": {"error_code": code}} if code else {}
    named = {"request_id": request_id} if request_id else {}
    return {"type": "error", "error": {"type": kind, "message": message, **details}, **named}


def openai_error(kind: str, message: str, *, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """Give OpenAI's error; `kind`: Anthropic's word."""
    return {
        "error": {
            "message": message,
            "type": _OPENAI_KINDS.get(kind, kind),
            "param": param,
            "code": code or _OPENAI_CODES.get(kind),
        }
    }
