"""Carries Anthropic's signed thinking inside `encrypted_content` of a Responses reasoning item, and back.

Nothing is secret in it: the client may read its own thinking. The prefix tells ours from another provider's, which
nobody here can take back.
"""

from __future__ import annotations

import base64
import json

from routerctl.service.translate.neutral_request import ThinkingPart

_OURS = "routerctl.1."


def pack_thinking(*, text: str, signature: str, data: str, model: str) -> str:
    """Write one block of thinking; `data`: of a block that its maker encrypted."""
    content = {"text": text, "signature": signature, "sealed": data, "model": model}
    return _OURS + base64.b64encode(json.dumps(content).encode()).decode()


def unpack_thinking(content: str, *, at: str) -> ThinkingPart | None:
    """Read one back; None for one of another provider, and for one that was touched."""
    if not content.startswith(_OURS):
        return None
    try:
        found = json.loads(base64.b64decode(content.removeprefix(_OURS), validate=True))
        fields = {name: found[name] for name in ("text", "signature", "sealed", "model")}
    except (ValueError, KeyError, TypeError):
        return None
    if not all(isinstance(one, str) for one in fields.values()):
        return None
    return ThinkingPart(**fields, at=at)
