"""Turns a key into an arm: the same key gets the same arm in every process, and keeps B when B's share grows.

Place: arithmetic, on the request line; imports nothing but hashes.
"""

from __future__ import annotations

import hmac
from typing import Literal

Arm = Literal["A", "B"]  # A: the table that serves; B: the one that is tried

_BITS = 52  # more would not be told apart by a float, and could round up to 1


def arm_of(salt: bytes, key: str, share: float) -> Arm:
    """Return the arm of a key where B gets this share of all keys, in [0, 1]; who is in B stays there when it grows.

    The salt belongs to one experiment: two experiments divide the same keys independently of each other.
    """
    return "B" if place_of(salt, key) < share else "A"


def place_of(salt: bytes, key: str) -> float:
    """Return a key's place in [0, 1), uniform over keys; nobody without the salt can choose a key by its place."""
    digest = hmac.digest(salt, key.encode("utf-8", "surrogatepass"), "sha256")
    return float((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / (1 << _BITS))
