"""Which service and which operation a request is for."""

from urllib.parse import parse_qs

from sandbox.aws.errors import ServiceError
from sandbox.aws.protocol import Request, find_operation
from sandbox.aws.services import SERVICES

# The service's name in a SigV4 credential scope, where it is not the sandbox's own.
_SIGNING_NAMES = {"aws-marketplace": "marketplace-catalog"}
_TARGETS = {"AmazonAthena": "athena"}


def find_service(request: Request) -> str:
    """Name the service: from the credential scope, or else from ``X-Amz-Target`` or the path; else it is S3."""
    target = request.headers.get("x-amz-target", "").partition(".")[0]
    if target in _TARGETS:
        return _TARGETS[target]
    scope = request.headers.get("authorization", "").partition("Credential=")[2].partition(",")[0].split("/")
    if len(scope) == 5:
        return _SIGNING_NAMES.get(scope[3], scope[3])
    for service in ("dataexchange", "marketplace-catalog"):
        if _has_operation(service, request):
            return service
    return "s3"


def name_operation(service: str, request: Request) -> str:
    """Name the operation for counting and for faults; ``Unknown`` where it cannot be determined."""
    if service in SERVICES:
        return find_operation(service, request) if _has_operation(service, request) else "Unknown"
    if service == "s3":
        return _s3_operation(request)
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    return parse_qs(request.body.decode(errors="replace")).get("Action", ["Unknown"])[0]


def s3_object(request: Request) -> tuple[str, str]:
    """Split a path-style S3 path into bucket and (still percent-encoded) key; either may be empty."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    return bucket, key


def _has_operation(service: str, request: Request) -> bool:
    try:
        find_operation(service, request)
    except ServiceError:
        return False
    return True


def _s3_operation(request: Request) -> str:
    bucket, key = s3_object(request)
    query = parse_qs(request.query, keep_blank_values=True)
    if key:
        return _s3_object_operation(request, query)
    if not bucket:
        return "ListBuckets"
    if request.method == "POST" and "delete" in query:
        return "DeleteObjects"
    if request.method == "GET":
        return "ListObjectsV2" if "list-type" in query else "ListObjects"
    return f"{ {'PUT': 'Create', 'HEAD': 'Head', 'DELETE': 'Delete'}.get(request.method, 'Post') }Bucket"


def _s3_object_operation(request: Request, query: dict[str, list[str]]) -> str:
    if "uploads" in query:
        return "CreateMultipartUpload"
    if "uploadId" in query:
        parts = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
        return parts.get(request.method, "ListParts")
    if "x-amz-copy-source" in request.headers:
        return "CopyObject"
    return f"{request.method.capitalize()}Object"
