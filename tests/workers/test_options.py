"""What a worker can be told to do."""

import pytest

from workers.options import BadOption, Options, split_list


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
