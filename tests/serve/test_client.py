"""One client of the server: how its connection ends."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.websockets import WebSocket
from structlog.testing import CapturingLogger

from booktape.serve import client
from booktape.serve.client import Client
from tests.waiting import DEADLINE

Scene = Callable[[Client], Awaitable[None]]


def ended(scene: Scene, *said: str, answer: Callable[[str], Awaitable[str | None]] | None = None) -> tuple[int, str]:
    """Play a scene with a client that is connected, and hear how the server ends the connection: code and reason."""
    heard: list[dict[str, Any]] = []
    messages = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "text": text} for text in said)]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("never")

    async def send(message: Any) -> None:
        heard.append(message)

    async def run() -> None:
        socket = WebSocket({"type": "websocket"}, receive, send)
        await socket.accept()
        client = Client(socket, waits=False)
        playing = asyncio.ensure_future(scene(client))
        async with asyncio.timeout(DEADLINE):
            await client.serve(answer or nothing)
        playing.cancel()

    asyncio.run(run())
    assert heard[-1]["type"] == "websocket.close"
    return heard[-1]["code"], heard[-1]["reason"]


async def nothing(said: str) -> str | None:
    return None


async def slow_at_the_end(client: Client) -> None:
    await client.send("the last frame but one")
    client.disconnect(1008, "too slow")
    await client.finish("the replay is over")


async def failing(client: Client) -> None:
    await client.fail(ValueError("\u00fc" * 100))


async def silent(client: Client) -> None:
    pass


async def broken(said: str) -> str | None:
    raise KeyError("a fault of ours")


def test_a_client_that_was_cut_off_at_the_end_is_not_told_that_it_had_everything() -> None:
    assert ended(slow_at_the_end) == (1008, "too slow")


def test_a_reason_fits_into_a_closing_frame() -> None:
    assert ended(failing) == (1011, "\u00fc" * 60)


def test_a_fault_of_ours_is_not_a_normal_end(monkeypatch: pytest.MonkeyPatch) -> None:
    log = CapturingLogger()
    monkeypatch.setattr(client, "log", log)
    code, reason = ended(silent, "hello", answer=broken)
    assert (code, reason) == (1011, "the server has failed; its log says how")
    assert [(call.method_name, call.args, call.kwargs) for call in log.calls] == [
        ("error", ("client_failed",), {"error": "KeyError: 'a fault of ours'"})
    ]
