"""S3 is moto's, with create-only writes that hold under a race."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store
from werkzeug.test import Client

from sandbox.aws import objects
from sandbox.aws.front import Front
from sandbox.aws.state import State

BUCKET = "booktape-test"
Refusal = Callable[..., tuple[str, int]]
CREATE_ONLY = {"Bucket": BUCKET, "IfNoneMatch": "*"}


@pytest.fixture
def store(s3: Any) -> S3Store:
    # Endpoint and credentials come from the environment, as they do for boto3.
    return S3Store(BUCKET, client_options={"allow_http": True})


def test_what_boto3_puts_obstore_gets(s3: Any, store: S3Store) -> None:
    s3.put_object(Bucket=BUCKET, Key="exchange=binance/a b+c.json", Body=b"1")

    assert bytes(obstore.get(store, "exchange=binance/a b+c.json").bytes()) == b"1"


def test_a_second_create_only_put_of_obstore_finds_the_object_there(store: S3Store) -> None:
    obstore.put(store, "obstore/once", b"first", mode="create")

    with pytest.raises(AlreadyExistsError):
        obstore.put(store, "obstore/once", b"second", mode="create")
    assert bytes(obstore.get(store, "obstore/once").bytes()) == b"first"


def test_a_second_create_only_put_of_boto3_answers_412(s3: Any, refusal: Refusal) -> None:
    s3.put_object(**CREATE_ONLY, Key="boto3/once", Body=b"first")

    assert refusal(s3.put_object, **CREATE_ONLY, Key="boto3/once", Body=b"second") == ("PreconditionFailed", 412)


def test_create_only_holds_for_copies_and_multipart_uploads_too(s3: Any, refusal: Refusal) -> None:
    s3.put_object(Bucket=BUCKET, Key="taken here", Body=b"first")
    s3.put_object(Bucket=BUCKET, Key="source", Body=b"second")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="taken here")["UploadId"]
    named = {"Key": "taken here", "UploadId": upload}
    part = s3.upload_part(Bucket=BUCKET, **named, PartNumber=1, Body=b"second")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}

    complete = refusal(s3.complete_multipart_upload, **CREATE_ONLY, **named, MultipartUpload=parts)
    copy = refusal(s3.copy_object, **CREATE_ONLY, Key="taken here", CopySource=f"{BUCKET}/source")

    assert (complete, copy) == (("PreconditionFailed", 412), ("PreconditionFailed", 412))
    assert s3.get_object(Bucket=BUCKET, Key="taken here")["Body"].read() == b"first"
    s3.copy_object(**CREATE_ONLY, Key="free", CopySource=f"{BUCKET}/source")
    assert s3.get_object(Bucket=BUCKET, Key="free")["Body"].read() == b"second"


@pytest.mark.parametrize("attempt", range(10))
def test_of_eight_threads_that_create_one_key_exactly_one_wins(store: S3Store, attempt: int) -> None:
    def create(thread: int) -> int | None:
        try:
            obstore.put(store, f"race/{attempt}", str(thread).encode(), mode="create")
        except AlreadyExistsError:
            return None
        return thread

    with ThreadPoolExecutor(8) as pool:
        winners = [thread for thread in pool.map(create, range(8)) if thread is not None]

    assert [str(winner).encode() for winner in winners] == [bytes(obstore.get(store, f"race/{attempt}").bytes())]


def test_between_the_check_and_the_write_of_a_create_only_put_nobody_else_gets_in(s3: Any) -> None:
    """The same race over a store that checks nothing and is slow, so that it cannot be won by luck."""
    written = []

    def slow_store(environ: Any, start_response: Any) -> Iterable[bytes]:
        time.sleep(0.02)
        written.append(environ["wsgi.input"].read())
        objects.write(BUCKET, "slow", written[-1])
        start_response("200 OK", [])
        return [b""]

    front = Front(State(), slow_store)

    def create(thread: int) -> int:
        answer = Client(front).put(f"/{BUCKET}/slow", data=str(thread), headers={"If-None-Match": "*"})
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(create, range(8)))

    assert (statuses, len(written)) == ([200] + [412] * 7, 1)
