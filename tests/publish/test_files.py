"""Copies of files: to a key that is never overwritten, whole or not at all."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from booktape.model.errors import BooktapeError
from booktape.publish import files
from booktape.publish.aws import Aws, AwsRefusedError
from booktape.store.objects import Store, open_store
from tests.publish.aws_world import BUCKET, World

KEY = "published/a/day.csv"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "made here.csv"
    path.write_bytes(b"content")
    return path


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "published"))


def copy(source: Path, target: Store) -> None:
    files.copy(source.as_uri(), None, target, KEY, Aws())


def names(target: Store) -> list[str]:
    return [item.key for item in target.objects("")]


def refuse_links(monkeypatch: pytest.MonkeyPatch, source: Path, code: int) -> None:
    link = os.link

    def refuse(one: Any, other: Any) -> None:
        if Path(one) == source:
            raise OSError(code, os.strerror(code))
        link(one, other)

    monkeypatch.setattr(os, "link", refuse)


def test_a_key_that_exists_is_not_overwritten(source: Path, target: Store) -> None:
    target.create(KEY, b"another")
    copy(source, target)
    assert target.read(KEY) == b"another"


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM])
def test_where_no_link_can_be_made_the_bytes_are_copied(
    source: Path, target: Store, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    refuse_links(monkeypatch, source, code)
    copy(source, target)
    assert target.directory is not None
    path = target.directory / KEY
    assert (path.read_bytes(), path.stat().st_ino != source.stat().st_ino) == (b"content", True)
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(path.parent) == [path.name]


def test_of_two_writers_the_first_one_wins(source: Path, target: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Store.exists

    def exists_a_moment_later(self: Store, key: str) -> bool:
        found = exists(self, key)
        self.create(key, b"the other writer's")
        return found

    monkeypatch.setattr(Store, "exists", exists_a_moment_later)
    copy(source, target)
    assert target.read(KEY) == b"the other writer's"


def test_a_key_that_cannot_be_written_is_named(source: Path, target: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_links(monkeypatch, source, errno.ENOSPC)
    with pytest.raises(BooktapeError, match=r"day\.csv cannot be written: No space left on device"):
        copy(source, target)
    assert names(target) == []


def test_a_local_file_is_uploaded_to_a_bucket_and_one_of_a_bucket_is_downloaded(
    world: World, source: Path, target: Store
) -> None:
    bucket = open_store(f"s3://{BUCKET}")
    copy(source, bucket)
    assert bucket.read(KEY) == b"content"
    files.copy(f"s3://{BUCKET}/{KEY}", None, target, KEY, Aws())
    assert target.read(KEY) == b"content"


def test_a_copy_within_s3_is_of_the_version_that_was_checked(world: World) -> None:
    bucket = open_store(f"s3://{BUCKET}")
    bucket.create("merged/a.csv", b"checked")
    url = f"s3://{BUCKET}/merged/a.csv"
    checked = files.version(url, Aws())
    bucket.replace("merged/a.csv", b"changed")
    with pytest.raises(AwsRefusedError):
        files.copy(url, checked, bucket, KEY, Aws())
    files.copy(url, files.version(url, Aws()), bucket, KEY, Aws())
    assert bucket.read(KEY) == b"changed"
