"""Reads certificates of every format."""

from typing import Any

import msgspec
from msgspec import Struct, json

from booktape.integrity.certificate import FORMAT, Certificate, InvalidCertificateError
from booktape.integrity.certificate_v1 import CertificateV1


class _Version(Struct):
    format: Any = None


def parse_certificate(content: bytes) -> Certificate:
    """Parse a certificate of format 2, or of format 1, which is converted.

    :raises InvalidCertificateError: the content is not JSON, is of another format, or lacks a field, has one more or
        one of another type.
    """
    try:
        version = json.decode(content, type=_Version).format
        if version == 1:
            return json.decode(content, type=CertificateV1).convert()
        if version == FORMAT:
            return json.decode(content, type=Certificate)
    except msgspec.ValidationError as error:
        raise InvalidCertificateError(f"the certificate is not valid: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidCertificateError(f"the certificate is not JSON: {error}") from error
    raise InvalidCertificateError(
        f"not a certificate of a format up to {FORMAT}: is this the right file, and the right version of Booktape?"
    )
