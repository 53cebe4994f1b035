"""Markets that open and close while the venue runs, and that Booktape reads the venue's list of instruments."""

import asyncio

import httpx
import pytest
from websockets.asyncio.client import connect

from booktape.exchanges import exchange as venue
from sandbox.exchanges import Simulation, simulated
from tests.waiting import DEADLINE

pytestmark = pytest.mark.anyio

BASES = ("BTC", "ETH", "DOGE")


async def listed(client: httpx.AsyncClient, exchange: Simulation) -> dict[str, tuple[object, ...]]:
    """What Booktape makes of the venue's list: the fields of each instrument by its market."""
    listing = venue(exchange.exchange).rest.listing
    (request,) = listing.requests
    answer = await client.get(exchange.routes["primary"].http + request.path)
    return {
        found.market: (found.symbol, found.base, found.quote, found.kind, found.status, found.price_increment)
        for found in listing.parse(answer.content, 1)
    }


@pytest.mark.parametrize(
    ("name", "quote", "expected"),
    [
        (
            "binance",
            "USDT",
            {
                "BTC-USDT": ("BTCUSDT", "BTC", "USDT", "spot", "trading", "0.01000000"),
                "ETH-USDT": ("ETHUSDT", "ETH", "USDT", "spot", "trading", "0.01000000"),
                "DOGE-USDT": ("DOGEUSDT", "DOGE", "USDT", "spot", "break", "0.00001000"),
                "NEW-USDT": ("NEWUSDT", "NEW", "USDT", "spot", "trading", "0.00010000"),
            },
        ),
        (
            "coinbase",
            "USD",
            {
                "BTC-USD": ("BTC-USD", "BTC", "USD", "spot", "trading", "0.01"),
                "ETH-USD": ("ETH-USD", "ETH", "USD", "spot", "trading", "0.01"),
                "DOGE-USD": ("DOGE-USD", "DOGE", "USD", "spot", "delisted", "0.00001"),
                "NEW-USD": ("NEW-USD", "NEW", "USD", "spot", "trading", "0.0001"),
            },
        ),
        (
            "kraken",
            "USD",
            {
                "BTC-USD": ("BTC/USD", "BTC", "USD", "spot", "trading", "0.1"),
                "ETH-USD": ("ETH/USD", "ETH", "USD", "spot", "trading", "0.01"),
                "NEW-USD": ("NEW/USD", "NEW", "USD", "spot", "trading", "0.0001"),
            },
        ),
    ],
)
async def test_booktape_reads_the_list_of_instruments_and_what_changes_in_it(
    name: str, quote: str, expected: dict[str, tuple[object, ...]]
) -> None:
    async with (
        simulated(name, [f"{base}-{quote}" for base in BASES], rate=0) as exchange,
        httpx.AsyncClient() as client,
    ):
        control = f"{exchange.routes['primary'].http}/_sandbox/markets"
        before = await listed(client, exchange)
        assert list(before) == [f"{base}-{quote}" for base in BASES]
        assert {fields[4] for fields in before.values()} == {"trading"}
        await client.put(f"{control}/NEW-{quote}")
        await client.delete(f"{control}/DOGE-{quote}")
        assert await listed(client, exchange) == expected
        await client.put(f"{control}/DOGE-{quote}")
        assert await listed(client, exchange) == before | {f"NEW-{quote}": expected[f"NEW-{quote}"]}
        status = {f"{base}-{quote}": True for base in (*BASES, "NEW")}
        assert (await client.get(control)).json() == status
        assert (await client.put(f"{control}/NEW")).status_code == 400
        assert (await client.delete(f"{control}/OLD-{quote}")).status_code == 400
        assert (await client.post(control)).status_code == 405


async def test_a_new_market_trades_and_a_delisted_one_falls_silent() -> None:
    async with simulated("binance", ["BTC-USDT"], rate=100) as exchange:
        streams = "btcusdt@trade/newusdt@trade"
        async with (
            connect(f"{exchange.routes['primary'].ws}/stream?streams={streams}") as socket,
            asyncio.timeout(DEADLINE),
        ):
            assert "btcusdt" in str(await socket.recv())
            exchange.listings.open("NEW-USDT")
            while "newusdt" not in str(await socket.recv()):
                pass
            exchange.listings.close("BTC-USDT")
            sent = len(exchange.ledger.read("trade", "BTC-USDT"))
            for _ in range(20):
                await socket.recv()
        assert len(exchange.ledger.read("trade", "BTC-USDT")) == sent
        assert [record["market"] for record in exchange.ledger.read("snapshot")] == ["BTC-USDT", "NEW-USDT"]
