"""Serves an emulator by hand, until it is interrupted; its address is the base URL of a provider in routerctl.yaml."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import suppress

from routerctl.testing.emulator import Emulator


async def _serve(args: argparse.Namespace) -> None:
    async with Emulator(
        lambda _body: args.text,
        port=args.port,
        latency_s=args.latency_ms / 1000,
        first_token_s=args.first_token_ms / 1000,
        chunk_gap_s=args.chunk_gap_ms / 1000,
        chunks=args.chunks,
        strict=args.strict,
        record=False,
    ) as emu:
        print(emu.url, flush=True)  # noqa: T201  # the one thing a person who starts it wants to know
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m routerctl.testing.emulator",
        description="Emulate the Anthropic and OpenAI APIs on 127.0.0.1, and print the address. In routerctl.yaml it "
        "is the base_url of a provider: as printed for kind anthropic, with /v1 for kind openai. Any key will do.",
    )
    parser.add_argument("--port", type=int, default=0, help="left out: any that is free")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="before an answer's first byte")
    parser.add_argument("--first-token-ms", type=float, default=0.0, help="from a stream's start to its first delta")
    parser.add_argument("--chunk-gap-ms", type=float, default=0.0, help="between a stream's deltas")
    parser.add_argument("--chunks", type=int, default=4, help="pieces of each text of a stream")
    parser.add_argument("--text", default="ok", help="what is answered")
    parser.add_argument("--strict", action="store_true", help="refuse what the vendors refuse")
    args = parser.parse_args()
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(_serve(args))
        except OSError as error:
            sys.exit(f"--port {args.port}: {os.strerror(error.errno or 0)}")
