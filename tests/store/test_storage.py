"""Stores: the same face and the same promises for a directory and for S3."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from booktape.store.objects import (
    InvalidStorageUrlError,
    ObjectNotFoundError,
    StorageDeniedError,
    StorageUnavailableError,
    Store,
    open_store,
)
from sandbox.aws.server import running

KEY = "trades/exchange=binance/pair=BTC-USDT/year=2024/month=08/day=08/2354_1-2_0a1b2c3d4e5f6071.json.gz"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with running() as sandbox, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", sandbox.url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "booktape")
        yield sandbox.url


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "directory":
        return open_store(tmp_path.as_uri())
    bucket = f"b{abs(hash(tmp_path))}"
    httpx.put(f"{request.getfixturevalue('aws')}/{bucket}").raise_for_status()
    return open_store(f"s3://{bucket}/below/a/prefix")


def test_the_first_to_create_a_key_wins_and_the_second_is_told(store: Store) -> None:
    assert store.create(KEY, b"first") is True
    assert store.create(KEY, b"second") is False
    assert store.read(KEY) == b"first"


def test_of_many_who_create_one_key_at_once_exactly_one_wins(store: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        won = list(threads.map(lambda number: store.create(KEY, b"%d" % number), range(8)))
    assert won.count(True) == 1
    assert store.read(KEY) == b"%d" % won.index(True)


def test_replacing_replaces(store: Store) -> None:
    store.replace(KEY, b"old")
    store.replace(KEY, b"new")
    assert store.read(KEY) == b"new"


def test_a_file_is_uploaded_whole(store: Store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 50_000
    (tmp_path / "file").write_bytes(content)
    store.upload("merged/day.csv", tmp_path / "file")
    assert b"".join(store.stream("merged/day.csv")) == content


def test_a_part_of_an_object_is_read_alone(store: Store) -> None:
    store.create(KEY, b"0123456789")
    file = store.open(KEY)
    file.seek(3)
    assert bytes(file.read(4)) == b"3456"
    with pytest.raises(ObjectNotFoundError, match="has no object"):
        store.open("trades/none")


def test_listing_tells_keys_and_sizes_below_whole_path_segments(store: Store) -> None:
    for key in ("a/b/1", "a/b/2", "a/bc/3"):
        store.create(key, b"12345")
    assert sorted((item.key, item.size) for item in store.objects("a/b")) == [("a/b/1", 5), ("a/b/2", 5)]
    assert store.folders("a/") == ["b", "bc"]
    assert (list(store.objects("none")), store.folders("none/")) == ([], [])


def test_what_is_not_there_is_named(store: Store) -> None:
    assert not store.exists(KEY)
    with pytest.raises(ObjectNotFoundError, match="has no object 'trades/exchange=binance"):
        store.read(KEY)
    store.delete(KEY)  # is no error


def test_what_was_deleted_is_gone(store: Store) -> None:
    store.create(KEY, b"x")
    store.delete(KEY)
    assert not store.exists(KEY)


@pytest.mark.parametrize("url", ["ftp://bucket", "s3://", "file://host/path", "http://x"])
def test_what_is_no_storage_url_is_refused_with_the_forms_there_are(url: str) -> None:
    with pytest.raises(InvalidStorageUrlError, match=r"use file:///directory or s3://bucket/prefix"):
        open_store(url)


def test_a_path_is_taken_for_a_directory(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "with space"))
    store.create("a", b"1")
    assert (tmp_path / "with space" / "a").read_bytes() == b"1"
    assert store.directory == tmp_path / "with space"


def test_a_file_in_the_directorys_place_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageDeniedError, match="file cannot be used"):
        open_store((tmp_path / "file").as_uri())


def test_a_bucket_that_does_not_exist_is_named(aws: str) -> None:
    store = open_store("s3://nobodys-bucket")
    with pytest.raises(StorageDeniedError, match="s3://nobodys-bucket: there is no such bucket"):
        store.create("a", b"1")
    with pytest.raises(StorageDeniedError, match="there is no such bucket"):
        list(store.objects("a"))


def test_a_store_that_does_not_answer_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(StorageUnavailableError, match="s3://bucket is not reachable"):
        open_store("s3://bucket").create("a", b"1")


def test_a_store_that_refuses_for_a_while_is_transient(aws: str) -> None:
    httpx.put(f"{aws}/busy").raise_for_status()
    store = open_store("s3://busy")
    httpx.post(f"{aws}/_sandbox/faults", json={"service": "s3", "status": 503, "seconds": 30}).raise_for_status()
    try:
        with pytest.raises(StorageUnavailableError):
            store.create("a", b"1")
    finally:
        httpx.delete(f"{aws}/_sandbox/faults")
    assert store.create("a", b"1")


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/prefix"])
def test_without_an_endpoint_of_its_own_s3_is_awss(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(variable, raising=False)
    assert open_store(url).url == url
