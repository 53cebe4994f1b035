"""Keys say exactly what is inside, and parse back to what they were built from; every other key is as it is stored."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booktape.publish.results import Done, Parquet, name_of
from booktape.store import layout
from booktape.store.layout import (
    BatchKey,
    InvalidKeyError,
    RawKey,
    Run,
    SegmentKey,
    day_prefix,
    parse_batch_key,
    parse_segment_key,
    uptime_log_prefix,
)

MINUTE_2024 = 1723161240_000_000  # 2024-08-08 23:54:00 UTC
TEXT = (
    "trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=08/"
    "2354_3735683259-3735684133_0a1b2c3d4e5f6071.json.gz"
)
KEY = BatchKey("trades", "binance", "BTC-USDT", MINUTE_2024, 3735683259, 3735684133, "0a1b2c3d4e5f6071")

SEGMENT_START = 1723075815_000_000  # 2024-08-08 00:10:15 UTC
SEGMENT = "ledger/exchange=binance/year=2024/month=08/day=08/001015_a-1of4_2a3b4c5d6e7f8091.json.gz"
RUN = Run("binance-trades", date(2024, 8, 8), 2)

names = st.text(st.characters(codec="ascii", categories=["Lu", "Nd"], include_characters="-."), min_size=1, max_size=12)


def test_a_key_as_it_is_written() -> None:
    assert str(KEY) == TEXT


def test_a_key_as_it_is_read() -> None:
    assert parse_batch_key(TEXT) == KEY


@given(
    st.sampled_from(["trades", "book_updates"]),
    st.sampled_from(["binance", "kraken-futures"]),
    names,
    st.integers(0, 4_000_000_000 // 60).map(lambda minute: minute * 60_000_000),
    st.integers(0, 2**63),
    st.integers(0, 2**63),
    st.text("0123456789abcdef", min_size=16, max_size=16),
)
def test_every_key_parses_back(
    data_type: str, exchange: str, market: str, minute: int, first: int, last: int, digest: str
) -> None:
    key = BatchKey(data_type, exchange, market, minute, first, last, digest)
    assert parse_batch_key(str(key)) == key


@pytest.mark.parametrize("text", ["", "trades/x.json.gz", TEXT.replace("month=08", "month=8"), TEXT + "#1"])
def test_what_is_no_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidKeyError, match="not the key of a batch"):
        parse_batch_key(text)


def test_a_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="no such time"):
        parse_batch_key(TEXT.replace("month=08", "month=13"))


def test_a_days_objects_lie_below_one_prefix() -> None:
    assert TEXT.startswith(day_prefix("trades", "binance", "BTC-USDT", date(2024, 8, 8)))


def test_a_segments_key_as_it_is_written() -> None:
    assert str(SegmentKey("binance", "a-1of4", SEGMENT_START + 999_999, "2a3b4c5d6e7f8091")) == SEGMENT


def test_a_segments_key_as_it_is_read() -> None:
    assert parse_segment_key(SEGMENT) == SegmentKey("binance", "a-1of4", SEGMENT_START, "2a3b4c5d6e7f8091")


@given(
    st.sampled_from(["binance", "kraken-futures"]),
    st.text(st.characters(codec="ascii", exclude_characters="/\n", categories=["L", "N", "P"]), min_size=1),
    st.integers(0, 4_000_000_000).map(lambda second: second * 1_000_000),
    st.integers(0, (1 << 64) - 1).map(lambda number: f"{number:016x}"),
)
def test_every_segments_key_parses_back(exchange: str, instance: str, start: int, digest: str) -> None:
    key = SegmentKey(exchange, instance, start, digest)
    assert parse_segment_key(str(key)) == key


@pytest.mark.parametrize(
    "text", ["", SEGMENT.replace("001015", "0010"), SEGMENT.replace("ledger", "trades"), SEGMENT + "#1"]
)
def test_what_is_no_segments_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidKeyError, match="not the key of an uptime log's segment"):
        parse_segment_key(text)


def test_a_second_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InvalidKeyError, match="no such time"):
        parse_segment_key(SEGMENT.replace("001015", "001060"))


@pytest.mark.parametrize("instance", ["", "a/b"])
def test_an_instance_that_would_break_a_key_is_refused(instance: str) -> None:
    with pytest.raises(InvalidKeyError, match="cannot be part of a key"):
        str(SegmentKey("binance", instance, SEGMENT_START, "2a3b4c5d6e7f8091"))


def test_a_days_segments_lie_below_one_prefix() -> None:
    assert SEGMENT.startswith(uptime_log_prefix("binance", date(2024, 8, 8)))


def test_batches_are_found_by_prefixes_of_their_keys() -> None:
    prefixes = [
        layout.data_type_prefix("trades"),
        layout.exchange_prefix("trades", "binance"),
        layout.market_prefix("trades", "binance", "BTC-USDT"),
        layout.month_prefix("trades", "binance", "BTC-USDT", date(2024, 8, 31)),
        day_prefix("trades", "binance", "BTC-USDT", date(2024, 8, 8)),
    ]
    assert all(TEXT.startswith(prefix) and prefix.endswith("/") for prefix in prefixes)
    assert sorted(prefixes, key=len) == prefixes
    assert layout.market_of(TEXT) == "BTC-USDT"
    assert layout.instruments_prefix("binance") == "instruments/exchange=binance/pair=ALL/"


def test_partitions_by_the_names_of_their_folders() -> None:
    assert layout.partition_folder("pair", "BTC-USDT") == "pair=BTC-USDT/"
    assert layout.partition_values(["pair=BTC-USDT", "other", "pair=ETH-USDT"], "pair") == ["BTC-USDT", "ETH-USDT"]


def test_backfilled_batches_lie_below_the_primarys_storage() -> None:
    assert layout.backfill_url("s3://bucket/prefix/") == layout.backfill_url("s3://bucket/prefix")
    assert layout.backfill_url("s3://bucket/prefix") == "s3://bucket/prefix/rest"


def test_raw_frames() -> None:
    key = RawKey(1723161253937000, "a", "0-3", 17, 1723161253_000_000, "binance")
    text = "raw/exchange=binance/year=2024/month=08/day=08/235413_a_1723161253937000_0-3_000017.jsonl.gz"
    assert str(key) == text
    assert layout.parse_raw_key(text) == key
    assert text.startswith(layout.raw_day_prefix("binance", date(2024, 8, 8)))
    assert text.startswith(layout.raw_prefix("binance"))


def test_a_runs_manifest() -> None:
    assert layout.runs_prefix() == "runs/"
    assert layout.runs_prefix("binance-trades") == "runs/binance-trades/"
    assert layout.runs_prefix("binance-trades", RUN.day) == "runs/binance-trades/2024-08-08/"
    assert layout.manifest_key(RUN, "merge.attempt-1") == "runs/binance-trades/2024-08-08/0002/merge.attempt-1.json"
    assert str(layout.parse_manifest_key(layout.manifest_key(RUN, "done"))) == layout.manifest_key(RUN, "done")
    assert layout.parse_manifest_key(layout.manifest_key(RUN, "done")) == (RUN, "done")
    assert (name_of(Done), name_of(Parquet)) == (layout.DONE, layout.PARQUET)


@pytest.mark.parametrize("text", ["runs/a/2024-08-08/done.json", "runs/a/yesterday/0001/done.json", "runs/a"])
def test_what_is_no_manifest_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidKeyError, match="not the key of a run's manifest"):
        layout.parse_manifest_key(text)


def test_what_a_run_keeps_in_the_storage() -> None:
    assert layout.active_run_key(RUN) == "unfinished/binance-trades/2024-08-08/0002"
    assert layout.active_run_key(RUN).startswith(layout.active_runs_prefix())
    assert layout.parse_active_run_key(layout.active_run_key(RUN)) == RUN
    assert layout.certificate_key(RUN) == "certificates/binance-trades/2024-08-08/0002.json"
    assert layout.analytics_key(RUN) == "merged/binance-trades/2024-08-08/0002.csv"
    with pytest.raises(InvalidKeyError, match="not the mark of a run"):
        layout.parse_active_run_key("unfinished/binance-trades/2024-08-08/second")


def test_what_a_run_publishes() -> None:
    base = "published/binance-trades/2024/08/08/binance-trades_2024-08-08_run2"
    csv = layout.published_key(RUN)
    assert csv == f"{base}.csv"
    assert csv.startswith(layout.published_day_prefix("binance-trades", RUN.day))
    assert layout.parquet_key(RUN) == layout.parquet_beside(csv) == f"{base}.parquet"
    assert layout.checkpoints_key(RUN) == f"{base}.checkpoints.parquet"
    assert layout.published_certificate_key(RUN) == layout.certificate_beside(csv) == f"{base}.certificate.json"
    assert layout.hash_key(csv) == f"{base}.csv.sha256"
    assert layout.parquet_market_prefix(f"{base}.parquet", "BTC-USDT") == f"{base}.parquet/symbol=BTC-USDT/"
    assert layout.parse_published_key(csv) == RUN
    with pytest.raises(InvalidKeyError, match="not the key of a published CSV"):
        layout.parse_published_key(layout.hash_key(csv))


def test_the_published_parquet_that_a_file_is_of() -> None:
    key = layout.parquet_key(RUN)
    assert layout.parquet_root(key) == key
    assert layout.parquet_root(f"{key}/symbol=BTC-USDT/0000.parquet") == key
    assert layout.parquet_root(layout.checkpoints_key(RUN)) != key
    assert layout.parquet_root(layout.hash_key(key)) is None
    assert layout.parquet_root(layout.published_key(RUN)) is None


def test_results_of_merges_and_queries() -> None:
    assert layout.merge_csv_key("0a1b") == "0a1b.csv"
    assert layout.merge_parquet_key("0a1b") == "0a1b.parquet"
    assert layout.athena_parquet_url("s3://results/x/", "0a1b") == "s3://results/x/parquet/0a1b/"
    assert layout.athena_sql_url("s3://results/x") == "s3://results/x/sql/"


def test_market_files() -> None:
    day = date(2024, 8, 8)
    assert layout.tardis_key("cryptofacilities", "trades", day, "PI_XBT:USD/X") == (
        "cryptofacilities/trades/2024/08/08/PI_XBT-USD-X.csv.gz"
    )
    assert layout.hive_key("quotes", "binance", "BTC-USDT", day) == (
        "quotes/exchange=binance/symbol=BTC-USDT/date=2024-08-08/part.parquet"
    )


def test_a_nights_quota() -> None:
    one, other = (layout.quota_prefix("binance", date(2024, 8, 8), night) for night in ("one", "other"))
    assert one.startswith("healing/exchange=binance/2024-08-08/")
    assert one != other
