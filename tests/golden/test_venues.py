"""What is known of venues, and what is fetched from them: lists, instruments, missing trades."""

import re
import time
from pathlib import Path

import httpx
import pytest

from tests.golden import recordings
from tests.golden.comparing import compare_in_two, masked, tree
from tests.golden.conftest import NOW, Booktape, Outcome
from tests.golden.recordings import DAY, MIDNIGHT, SECOND, seconds, trade

LISTINGS = Path(__file__).parent / "listings"


def answer_with(monkeypatch: pytest.MonkeyPatch, answer: httpx.MockTransport) -> None:
    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **options: real(transport=answer))


def compare_outcomes(name: str, root: Path, outcomes: list[Outcome], more: str = "") -> None:
    replaced = [(str(root), "{root}")]
    structure = masked("".join(one.structure for one in outcomes) + more, replaced)
    compare_in_two(name, structure, masked("".join(one.said for one in outcomes), replaced))


def test_exchanges(booktape: Booktape, tmp_path: Path) -> None:
    listed = booktape("exchanges", "--json")
    lines = listed.structure.replace('},"', '},\n"')  # one exchange, or part of it, a line
    compare_in_two("venues/exchanges.txt", lines)


@pytest.mark.parametrize("exchange", [path.stem for path in sorted(LISTINGS.glob("*.json"))])
def test_markets(booktape: Booktape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, exchange: str) -> None:
    content = (LISTINGS / f"{exchange}.json").read_bytes()
    answer_with(monkeypatch, httpx.MockTransport(lambda request: httpx.Response(200, content=content)))
    outcomes = [booktape("markets", exchange, *more, "--json") for more in (("--every-status",), ("--only", "BTC-*"))]
    compare_outcomes(f"venues/markets/{exchange}.txt", tmp_path, outcomes)


def old_trades(request: httpx.Request) -> httpx.Response:
    """A Binance that has every trade of BTC-USDT but the 30th, and no old one of ETH-USDT."""
    first, limit = int(request.url.params["fromId"]), int(request.url.params["limit"])
    rows = [
        {"id": n, "price": f"{60_000 + n % 100}.10", "qty": "0.5", "time": (MIDNIGHT + n * SECOND) // 1_000,
         "isBuyerMaker": n % 3 == 0}
        for n in range(first, first + limit)
        if request.url.params["symbol"] == "BTCUSDT" and n != 30
    ]  # fmt: skip
    return httpx.Response(200, json=rows)


def test_healing(
    booktape: Booktape, environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By ``booktape heal``, and by a night of another storage: what lies below ``rest/``, and the night's account."""
    answer_with(monkeypatch, httpx.MockTransport(old_trades))
    monkeypatch.setattr(time, "time_ns", lambda: NOW)  # it is the receipt of what is fetched, and so in the bytes
    (tmp_path / "venues.yaml").write_text("binance: {markets: [BTC-USDT], rest_url: 'http://venue.test'}\n")
    (tmp_path / "sources.yaml").write_text("binance-trades: {exchange: binance, data_type: trades, threshold: 0}\n")
    monkeypatch.setenv("BOOKTAPE_VENUES", str(tmp_path / "venues.yaml"))
    monkeypatch.setenv("BOOKTAPE_SOURCES", str(tmp_path / "sources.yaml"))
    monkeypatch.setenv("BOOKTAPE_HEAL", "true")
    for name in ("asked", "night"):
        for market in ("BTC-USDT", "ETH-USDT"):
            for part in (range(1, 4), range(7, 30), range(31, 34)):
                records = [trade(n, time) for n, time in seconds(part, part[0] * SECOND, part[0])]
                recordings.put_batch(tmp_path / name, "trades", "binance", market, MIDNIGHT, records)
    outcomes = [
        booktape("heal", "binance-trades", DAY, "--storage", tmp_path / "asked", "--json"),
        booktape("heal", "binance-trades", DAY, "--storage", tmp_path / "asked", "--json"),
        booktape("nightly", "--day", DAY, "--storage", tmp_path / "night", "--json"),
        booktape("certificate", "binance-trades", DAY, "--storage", tmp_path / "night", "--json"),
    ]
    known = ("sources.yaml", "venues.yaml", "asked/trades/", "night/trades/", "night/merged/", "night/published/")
    text = tree(tmp_path, lambda key: not key.startswith(known) and (key.endswith("/heal.json") or "/runs/" not in key))
    text = re.sub(r'"seconds":[0-9.]+', '"seconds":{seconds}', text)
    text = re.sub(rf"/{DAY}/[0-9a-f]{{16}}/", f"/{DAY}/{{night}}/", text)
    compare_outcomes("venues/healing.txt", tmp_path, outcomes, text)
