"""What a worker can be told to do."""

from pathlib import Path

import pytest

from booktape.capture.subscriptions import Shard
from booktape.model.symbols import literal_names
from workers.options import InvalidOptionError, Options, market_names, shard, sole_owner, split_list


def test_lists_as_people_type_them() -> None:
    assert split_list(" BTC-USDT, ETH-USDT,,BTC-USDT ") == ("BTC-USDT", "ETH-USDT")


def test_an_empty_list_is_refused_with_an_example() -> None:
    with pytest.raises(InvalidOptionError, match="expected a list such as BTC-USDT,ETH-USDT"):
        split_list(" , ")


def test_each_instance_has_a_spool_of_its_own() -> None:
    def spool(instance: str, system: str, storage: str = "s3://x") -> str:
        return Options("kraken", ("BTC-USD",), storage, instance, system, spool="/data/spool").spool_url

    assert spool("a", "primary").startswith("file:///data/spool/primary-kraken-a-")
    others = [spool("b", "primary"), spool("a", "replica"), spool("a", "primary", "s3://y")]
    assert len({spool("a", "primary"), *others}) == 4


def test_two_workers_cannot_own_one_spool(tmp_path: Path) -> None:
    another = pytest.raises(InvalidOptionError, match="give this one another --instance")
    with sole_owner(tmp_path / "spool"), another, sole_owner(tmp_path / "spool"):
        pass
    with sole_owner(tmp_path / "spool"):
        pass


@pytest.mark.parametrize("name", ["BTCUSDT", "btc-usdt", "BTC/USDT", "BTC-"])
def test_what_is_no_markets_name_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(InvalidOptionError, match="is not a market's name; write base and quote as in BTC-USDT"):
        market_names(f"ETH-USDT,{name}")


def test_globs_and_all_stand_for_markets_that_only_the_venue_can_tell() -> None:
    assert market_names("all,*-USDT,BTC-EUR") == ("all", "*-USDT", "BTC-EUR")
    assert literal_names(("all", "*-USDT", "BTC-EUR")) == ["BTC-EUR"]


def test_a_shard_is_one_of_several() -> None:
    assert shard("2/4") == Shard(2, 4)


@pytest.mark.parametrize("text", ["5/4", "0/4", "1/0", "2", "a/b", "1/4/5", "-1/4"])
def test_what_is_no_shard_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidOptionError, match="is not a shard; write 2/4 for the second of four"):
        shard(text)


def test_each_shard_has_a_spool_of_its_own() -> None:
    urls = {Options("kraken", ("all",), "s3://x", shard=Shard(number, 2)).spool_url for number in (1, 2)}
    assert len(urls) == 2
