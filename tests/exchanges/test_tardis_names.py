"""What Tardis calls the markets of each exchange."""

import pytest

from booktape.exchanges import UnknownExchangeError
from booktape.exchanges.tardis_names import TardisName, tardis_name
from booktape.store.layout import escape_part

NAMES = {
    ("binance", "BTC-USDT"): ("binance", "BTCUSDT"),
    ("binance-us", "BTC-USDT"): ("binance-us", "BTCUSDT"),
    ("binance-futures", "BTC-USDT-PERP"): ("binance-futures", "BTCUSDT"),
    ("binance-delivery", "BTC-USD-PERP"): ("binance-delivery", "BTCUSD_PERP"),
    ("bitfinex", "BTC-USD"): ("bitfinex", "BTCUSD"),
    ("bitfinex", "BTC-UST-PERP"): ("bitfinex-derivatives", "BTCF0:USTF0"),
    ("bitget", "BTC-USDT"): ("bitget", "BTCUSDT"),
    ("bitget", "BTC-USDT-PERP"): ("bitget-futures", "BTCUSDT"),
    ("bitstamp", "BTC-USD"): ("bitstamp", "BTCUSD"),
    ("bybit", "BTC-USDT-PERP"): ("bybit", "BTCUSDT"),
    ("bybit-spot", "BTC-USDT"): ("bybit-spot", "BTCUSDT"),
    ("coinbase", "BTC-USD"): ("coinbase", "BTC-USD"),
    ("deribit", "BTC-USD-PERP"): ("deribit", "BTC-PERPETUAL"),
    ("dydx", "BTC-USD-PERP"): ("dydx-v4", "BTC-USD"),
    ("gate", "BTC-USDT"): ("gate-io", "BTC_USDT"),
    ("gate-futures", "BTC-USDT-PERP"): ("gate-io-futures", "BTC_USDT"),
    ("gemini", "BTC-USD"): ("gemini", "BTCUSD"),
    ("gemini-ws", "BTC-USD"): ("gemini", "BTCUSD"),
    ("htx", "BTC-USDT"): ("huobi", "BTCUSDT"),
    ("htx-coin-swap", "BTC-USD-PERP"): ("huobi-dm-swap", "BTC-USD"),
    ("htx-linear-swap", "BTC-USDT-PERP"): ("huobi-dm-linear-swap", "BTC-USDT"),
    ("kraken", "BTC-USD"): ("kraken", "BTC/USD"),
    ("kraken-futures", "BTC-USD-PERP"): ("cryptofacilities", "PF_BTCUSD"),
    ("okx", "BTC-USDT"): ("okex", "BTC-USDT"),
    ("okx", "BTC-USDT-PERP"): ("okex-swap", "BTC-USDT-SWAP"),
    ("okx", "BTC-USD-240927"): ("okex-futures", "BTC-USD-240927"),
    ("okx", "BTC-USD-240927-60000-C"): ("okex-options", "BTC-USD-240927-60000-C"),
    ("upbit", "BTC-KRW"): ("upbit", "KRW-BTC"),
    ("upbit-thailand", "BTC-THB"): ("upbit-thailand", "THB-BTC"),
}


@pytest.mark.parametrize(("market", "expected"), NAMES.items(), ids=lambda value: "-".join(value))
def test_a_market_has_tardiss_exchange_and_the_venues_symbol(
    market: tuple[str, str], expected: tuple[str, str]
) -> None:
    assert tardis_name(*market) == TardisName(*expected)


def test_a_files_name_has_a_hyphen_for_what_a_path_cannot_have() -> None:
    assert escape_part(tardis_name("kraken", "BTC-USD").symbol) == "BTC-USD"
    assert escape_part(tardis_name("bitfinex", "BTC-UST-PERP").symbol) == "BTCF0-USTF0"


def test_an_unknown_exchange_is_refused() -> None:
    with pytest.raises(UnknownExchangeError, match="unknown exchange 'mtgox'"):
        tardis_name("mtgox", "BTC-USD")
