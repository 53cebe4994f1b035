"""What a worker can be told to do."""

import pytest

from workers.options import BadOption, Options, market_names, split_list


def test_lists_as_people_type_them() -> None:
    assert split_list(" BTC-USDT, ETH-USDT,,BTC-USDT ") == ("BTC-USDT", "ETH-USDT")


def test_an_empty_list_is_refused_with_an_example() -> None:
    with pytest.raises(BadOption, match="expected a list such as BTC-USDT,ETH-USDT"):
        split_list(" , ")


def test_each_instance_has_a_spool_of_its_own() -> None:
    def spool(instance: str, system: str) -> str:
        return Options("kraken", ("BTC-USD",), "s3://x", instance, system, spool="/data/spool").spool_url

    assert spool("a", "primary") == "file:///data/spool/primary-kraken-a"
    assert len({spool("a", "primary"), spool("b", "primary"), spool("a", "replica")}) == 3


@pytest.mark.parametrize("name", ["BTCUSDT", "btc-usdt", "BTC/USDT", "BTC-", "*"])
def test_what_is_no_markets_name_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(BadOption, match="is not a market's name; write base and quote as in BTC-USDT"):
        market_names(f"ETH-USDT,{name}")
