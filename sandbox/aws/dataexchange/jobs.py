"""Import jobs (AWS Data Exchange API Reference: CreateJob, StartJob, GetJob, ListJobs, CancelJob).

A job is WAITING until it is started, IN_PROGRESS for ``State.job_seconds``, and then COMPLETED or ERROR. It copies
the objects' bytes when it starts; the assets show when it completes.
"""

from datetime import timedelta

from sandbox.aws import objects
from sandbox.aws.dataexchange.data_sets import PAGE_SIZE
from sandbox.aws.dataexchange.revisions import find_open_revision
from sandbox.aws.errors import ServiceError
from sandbox.aws.paging import page
from sandbox.aws.protocol import Params
from sandbox.aws.records import Asset, Job, JobFault, ObjectSource
from sandbox.aws.state import State, new_id

# AWS Data Exchange User Guide, "Service quotas".
ASSETS_PER_JOB = 100
IMPORTS_AT_ONCE = 10


def create_job(state: State, params: Params) -> Params:
    """CreateJob, of type ``IMPORT_ASSETS_FROM_S3``. It has no client token: calling it twice makes two jobs."""
    details = params["Details"].get("ImportAssetsFromS3")
    if params["Type"] != "IMPORT_ASSETS_FROM_S3" or details is None:
        raise ServiceError("ValidationException", "the sandbox has jobs of type IMPORT_ASSETS_FROM_S3 only")
    sources = [ObjectSource(source["Bucket"], source["Key"]) for source in details["AssetSources"]]
    if not 0 < len(sources) <= ASSETS_PER_JOB:
        raise ServiceError("ValidationException", f"a job imports 1 to {ASSETS_PER_JOB} assets, not {len(sources)}")
    revision = find_open_revision(state, details)
    now = state.clock()
    job = Job(new_id(), revision.data_set_id, revision.id, sources, now, now)
    state.jobs[job.id] = job
    return _view(job)


def start_job(state: State, params: Params) -> Params:
    """StartJob, once: 409 for a job that is not WAITING, 402 while ten imports run."""
    job = _find_job(state, params["JobId"])
    if job.state != "WAITING":
        raise _conflict(job, "started")
    find_open_revision(state, {"DataSetId": job.data_set_id, "RevisionId": job.revision_id})
    if sum(other.state == "IN_PROGRESS" for other in state.jobs.values()) >= IMPORTS_AT_ONCE:
        raise ServiceError(
            "ServiceLimitExceededException",
            f"{IMPORTS_AT_ONCE} imports are in progress",
            LimitName="Concurrent in progress jobs to import assets from Amazon S3",
            LimitValue=float(IMPORTS_AT_ONCE),
        )
    job.state = "IN_PROGRESS"
    job.updated_at = state.clock()
    job.due = job.updated_at + timedelta(seconds=state.job_seconds)
    _import(state, job)
    return {}


def get_job(state: State, params: Params) -> Params:
    """GetJob."""
    return _view(_find_job(state, params["JobId"]))


def list_jobs(state: State, params: Params) -> Params:
    """ListJobs, newest first, optionally of one data set or revision."""
    newest_first = [
        job
        for job in reversed(state.jobs.values())
        if params.get("DataSetId", job.data_set_id) == job.data_set_id
        and params.get("RevisionId", job.revision_id) == job.revision_id
    ]
    found, token = page(newest_first, params.get("NextToken"), params.get("MaxResults", PAGE_SIZE))
    return {"Jobs": [_view(job) for job in found]} | ({"NextToken": token} if token else {})


def cancel_job(state: State, params: Params) -> Params:
    """CancelJob, which only a WAITING job can be."""
    job = _find_job(state, params["JobId"])
    if job.state != "WAITING":
        raise _conflict(job, "cancelled")
    job.state = "CANCELLED"
    job.updated_at = state.clock()
    return {}


def settle(state: State) -> None:
    """End the jobs whose time has come."""
    now = state.clock()
    for job in state.jobs.values():
        if job.state == "IN_PROGRESS" and job.due is not None and job.due <= now:
            job.state = job.outcome
            job.updated_at = job.due
            state.assets |= {asset.id: asset for asset in job.pending}
            job.pending = []


def _import(state: State, job: Job) -> None:
    """Copy the objects, or decide how the job fails; all of them or none."""
    forced = state.faults.take_outcome("dataexchange")
    contents = {source: objects.read(source.bucket, source.key) for source in job.sources}
    missing = [source for source, content in contents.items() if content is None]
    if forced and forced != "COMPLETED":
        job.outcome = forced
        if forced == "ERROR":
            job.fault = JobFault("INTERNAL_SERVER_EXCEPTION", "the service failed while importing")
    elif missing:
        job.outcome = "ERROR"
        names = ", ".join(f"s3://{source.bucket}/{source.key}" for source in missing)
        job.fault = JobFault("RESOURCE_NOT_FOUND_EXCEPTION", f"not found: {names}")
    else:
        job.pending = [_asset(job, source, contents[source] or b"") for source in job.sources]


def _asset(job: Job, source: ObjectSource, content: bytes) -> Asset:
    # Always a new asset: a key that is imported twice makes a duplicate, as in reality.
    return Asset(new_id(), job.data_set_id, job.revision_id, source.key, content, job.updated_at, job.updated_at)


def _find_job(state: State, job_id: str) -> Job:
    try:
        return state.jobs[job_id]
    except KeyError as error:
        raise ServiceError(
            "ResourceNotFoundException", f"there is no job {job_id}", ResourceId=job_id, ResourceType="JOB"
        ) from error


def _conflict(job: Job, what: str) -> ServiceError:
    message = f"job {job.id} is {job.state} and cannot be {what}"
    return ServiceError("ConflictException", message, ResourceId=job.id, ResourceType="JOB")


def _view(job: Job) -> Params:
    sources = [{"Bucket": source.bucket, "Key": source.key} for source in job.sources]
    view: Params = {
        "Arn": job.arn,
        "CreatedAt": job.created_at,
        "Details": {
            "ImportAssetsFromS3": {
                "AssetSources": sources,
                "DataSetId": job.data_set_id,
                "RevisionId": job.revision_id,
            }
        },
        "Id": job.id,
        "State": job.state,
        "Type": "IMPORT_ASSETS_FROM_S3",
        "UpdatedAt": job.updated_at,
    }
    if job.fault and job.state == "ERROR":
        view["Errors"] = [{"Code": job.fault.code, "Message": job.fault.message}]
    return view


OPERATIONS = {
    "CreateJob": create_job,
    "StartJob": start_job,
    "GetJob": get_job,
    "ListJobs": list_jobs,
    "CancelJob": cancel_job,
}
