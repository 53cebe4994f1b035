"""``booktape heal``: what is missing of a day is fetched now, and told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from booktape.store.objects import open_store
from tests.cli.conftest import Outcome
from tests.publish.recordings import DAY, store_trades, trade

Booktape = Callable[..., Outcome]


def old_trades(request: httpx.Request) -> httpx.Response:
    """A Binance that has every trade of :func:`tests.publish.recordings.trade`, and is not at its own address."""
    assert request.url.host == "venue.test"
    first, limit = int(request.url.params["fromId"]), int(request.url.params["limit"])
    rows = [
        {
            "id": number,
            "price": trade(number).price,
            "qty": trade(number).amount,
            "time": trade(number).timestamp // 1_000,
            "isBuyerMaker": trade(number).side == "sell",
        }
        for number in range(first, first + limit)
    ]
    return httpx.Response(200, json=rows)


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A storage, a venues file, no Redis, and the simulated venue in place of all others."""
    (tmp_path / "venues.yaml").write_text(
        yaml.safe_dump({"binance": {"markets": ["BTC-USDT"], "rest_url": "http://venue.test"}})
    )
    monkeypatch.setenv("BOOKTAPE_VENUES", str(tmp_path / "venues.yaml"))
    monkeypatch.setenv("BOOKTAPE_STORAGE", str(tmp_path / "tape"))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    def client(**options: Any) -> httpx.Client:
        return real(transport=httpx.MockTransport(old_trades))

    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", client)
    return tmp_path / "tape"


def test_missing_trades_are_fetched_and_told(booktape: Booktape, storage: Path) -> None:
    store_trades(open_store(str(storage)), [1, 2, 3])
    store_trades(open_store(str(storage)), [7, 8, 9])
    outcome = booktape("heal", "binance-trades", str(DAY))
    assert (outcome.status, outcome.out) == (0, "BTC-USDT: 3 of 3 missing trades healed, in 1 hole\n")
    (found,) = open_store(f"{storage}/rest").objects("")
    assert "/0000_4-6_" in found.key
    assert booktape("heal", "binance-trades", str(DAY)).out == (
        "binance-trades: nothing is missing between what was recorded\n"
    )


def test_json_tells_every_market(booktape: Booktape, storage: Path) -> None:
    store_trades(open_store(str(storage)), [1, 2, 3])
    store_trades(open_store(str(storage)), [7, 8, 9])
    told = json.loads(booktape("heal", "binance-trades", str(DAY), "--json").out)
    market = {"holes": 1, "missing": 3, "healed": 3, "still_missing": 0, "why": None}
    assert told == {
        "source": "binance-trades",
        "day": str(DAY),
        "missing": 3,
        "healed": 3,
        "why": None,
        "markets": {"BTC-USDT": market},
    }


@pytest.mark.parametrize("source", ["binance-book-updates", "nothing"])
def test_a_source_that_cannot_be_healed_is_one_line_with_those_that_can(
    booktape: Booktape, storage: Path, source: str
) -> None:
    outcome = booktape("heal", source, str(DAY))
    assert outcome.status == 1
    assert f"past trades of '{source}' cannot be fetched; sources that can be healed: binance-trades" in outcome.err


def test_a_day_of_which_nothing_was_recorded_is_not_called_whole(booktape: Booktape, storage: Path) -> None:
    open_store(str(storage))
    outcome = booktape("heal", "binance-trades", str(DAY))
    assert outcome.status == 1
    assert f"there are no trades of binance on {DAY}" in outcome.err
