"""AWS clients, and the translation of their errors into transient and final ones.

Sources: botocore's service models of ``dataexchange`` and ``marketplace-catalog`` (the HTTP status of each exception),
and the botocore guide "Retries".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from os import environ
from typing import TYPE_CHECKING, Final

from boto3.exceptions import Boto3Error
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as NotConnected

from booktape.model.errors import BooktapeError, RefusedError, TransientError

if TYPE_CHECKING:
    from mypy_boto3_dataexchange import DataExchangeClient
    from mypy_boto3_marketplace_catalog import MarketplaceCatalogClient
    from mypy_boto3_s3 import S3Client

CATALOG_REGION: Final = "us-east-1"
"""The Marketplace Catalog exists only there, whatever the region of the data."""

_CONFLICT: Final = 409
_NOT_FOUND: Final = 404
_MAY_PASS: Final = frozenset({402, 408, 423, 429})
"""A limit of concurrent jobs (402), a timeout, an entity that a change set is changing (423), throttling."""

_THROTTLED: Final = frozenset({"ThrottlingException", "Throttling", "SlowDown", "RequestLimitExceeded"})
_FIRST_SERVER_ERROR: Final = 500


class AwsUnavailableError(TransientError):
    """AWS does not answer, is busy, or has an internal error."""


class AwsRefusedError(RefusedError):
    """AWS refuses the request, and would refuse it again."""


class ConflictError(AwsRefusedError):
    """The resource is not in a state that allows this, perhaps because it was done already. Check its state."""


class ResourceNotFoundError(AwsRefusedError):
    """There is no such data set, revision, job, product or object."""


class Aws:
    """The clients, made on first use.

    :param region: that of the data set and the publication bucket; default: that of the environment.
    """

    def __init__(self, region: str | None = None) -> None:
        self._session = Session()
        # AWS_REGION is what container runtimes set and what the store reads; boto3 knows only AWS_DEFAULT_REGION.
        self._region = region or environ.get("AWS_REGION") or self._session.region_name or CATALOG_REGION

    @cached_property
    def data_exchange(self) -> DataExchangeClient:
        """Makes one attempt per call: creating calls have no client token, so a blind repetition makes duplicates."""
        return self._session.client("dataexchange", region_name=self._region, config=_config(1))

    @cached_property
    def catalog(self) -> MarketplaceCatalogClient:
        """The Marketplace Catalog, always in us-east-1. Its one creating call has a client token."""
        return self._session.client("marketplace-catalog", region_name=CATALOG_REGION, config=_config(3))

    @cached_property
    def s3(self) -> S3Client:
        """S3, for copies between buckets and for uploads."""
        return self._session.client("s3", region_name=self._region, config=_config(5))


def _config(attempts: int) -> Config:
    retries = {"mode": "standard", "total_max_attempts": attempts}
    return Config(retries=retries, connect_timeout=5, read_timeout=60)  # type: ignore[arg-type]  # stubs: TypedDict


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn the errors of boto3 inside the block into :class:`AwsUnavailableError` or :class:`AwsRefusedError`."""
    try:
        yield
    except ClientError as error:
        raise _translated(error) from error
    except (NotConnected, HTTPClientError, IncompleteReadError) as error:  # the request may have taken effect
        raise AwsUnavailableError(f"AWS does not answer: {_first_line(error)}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise AwsRefusedError(f"AWS cannot be called: {_first_line(error)}") from error


def _translated(error: ClientError) -> BooktapeError:
    code = error.response["Error"]["Code"]
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    text = f"{error.operation_name}: {code}: {error.response['Error'].get('Message', '')}".partition("\n")[0]
    if status in _MAY_PASS or status >= _FIRST_SERVER_ERROR or code in _THROTTLED:
        return AwsUnavailableError(text)
    if status == _CONFLICT:
        return ConflictError(text)
    if status == _NOT_FOUND:
        return ResourceNotFoundError(text)
    return AwsRefusedError(text)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
