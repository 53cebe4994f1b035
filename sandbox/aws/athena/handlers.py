"""Athena's operations (Amazon Athena API Reference).

StartQueryExecution, GetQueryExecution, GetQueryResults, StopQueryExecution, CreateWorkGroup, GetWorkGroup,
ListWorkGroups. Queries run in threads of their own; what they share with the handlers is guarded by ``State.lock``.
"""

import uuid

from sandbox.aws import objects
from sandbox.aws.athena import ddl, engine, results
from sandbox.aws.athena.store import DEFAULT_DATABASE, Query, QueryFailedError, WorkGroup
from sandbox.aws.errors import ServiceError
from sandbox.aws.protocol import Params
from sandbox.aws.state import State

# Amazon Athena User Guide, "Service Quotas".
MAX_QUERY_BYTES = 262_144
DEFAULT_PAGE = 1000


def start_query_execution(state: State, params: Params) -> Params:
    """StartQueryExecution: the same token with the same text gives the same query, with another text is refused."""
    sql, token = params["QueryString"], params.get("ClientRequestToken", "")
    if len(sql.encode()) > MAX_QUERY_BYTES:
        raise _invalid(f"QueryString is longer than {MAX_QUERY_BYTES} bytes")
    earlier = state.athena.queries.get(state.athena.tokens.get(token, ""))
    if earlier is not None:
        if earlier.sql != sql:
            raise _invalid("Idempotent parameters do not match")
        return {"QueryExecutionId": earlier.id}
    query = _new_query(state, params)
    state.athena.queries[query.id] = query
    if token:
        state.athena.tokens[token] = query.id
    forced = state.faults.take_outcome("athena")
    state.athena.pool.submit(_run, state, query, forced)
    return {"QueryExecutionId": query.id}


def get_query_execution(state: State, params: Params) -> Params:
    """GetQueryExecution."""
    query = _find_query(state, params)
    status: Params = {"State": query.state, "SubmissionDateTime": query.submitted_at}
    if query.completed_at:
        status["CompletionDateTime"] = query.completed_at
    if query.failure:
        status["StateChangeReason"] = query.failure.reason
        status["AthenaError"] = {
            "ErrorCategory": query.failure.category,
            "ErrorType": query.failure.error_type,
            "Retryable": query.failure.retryable,
            "ErrorMessage": query.failure.reason,
        }
    execution = {
        "QueryExecutionId": query.id,
        "Query": query.sql,
        "StatementType": "DDL" if query.is_ddl else "DML",
        "SubstatementType": ddl.statement_name(query.statement),
        "ResultConfiguration": {"OutputLocation": query.output},
        "QueryExecutionContext": {"Database": query.database, "Catalog": "awsdatacatalog"},
        "Status": status,
        "Statistics": {
            "EngineExecutionTimeInMillis": query.engine_millis,
            "TotalExecutionTimeInMillis": query.engine_millis,
            "DataScannedInBytes": query.scanned_bytes,
            **({"DataManifestLocation": query.manifest} if query.is_unload else {}),
        },
        "WorkGroup": query.work_group,
        "EngineVersion": _ENGINE_VERSION,
    }
    return {"QueryExecution": execution}


def get_query_results(state: State, params: Params) -> Params:
    """GetQueryResults, from the result file; its first row is the header. NULL is a datum without a value."""
    query = _find_query(state, params)
    if not query.is_finished:
        raise _invalid(f"Query has not yet finished. Current state: {query.state}")
    if query.state != "SUCCEEDED":
        raise _invalid(f"Query did not finish successfully. Final query state: {query.state}")
    content = objects.read(*objects.split_url(query.output))
    if content is None:
        raise _invalid(f"Could not find results of query {query.id}")
    token = params.get("NextToken", "0")
    if not token.isdecimal() or int(token) > len(content):
        raise _invalid(f"NextToken {token!r} is not valid")
    rows, following = results.read_rows(content, int(token), params.get("MaxResults", DEFAULT_PAGE))
    result: Params = {
        "UpdateCount": 0,
        "ResultSet": {
            "Rows": [{"Data": [_datum(text) for text in row]} for row in rows],
            "ResultSetMetadata": {"ColumnInfo": [_column_info(*column) for column in query.result_columns]},
        },
    }
    return result | ({"NextToken": str(following)} if following is not None else {})


def stop_query_execution(state: State, params: Params) -> Params:
    """StopQueryExecution; a query that is over stays as it is."""
    query = _find_query(state, params)
    if not query.is_finished:
        query.state, query.completed_at = "CANCELLED", state.clock()
        query.interrupt()
    return {}


def create_work_group(state: State, params: Params) -> Params:
    """CreateWorkGroup, with an output location which, if enforced (the default), overrides the queries' own."""
    name = params["Name"]
    if name in _work_groups(state):
        raise _invalid("WorkGroup is already created")
    configuration = params.get("Configuration", {})
    state.athena.work_groups[name] = WorkGroup(
        name=name,
        created_at=state.clock(),
        output_location=configuration.get("ResultConfiguration", {}).get("OutputLocation"),
        enforced=configuration.get("EnforceWorkGroupConfiguration", True),
        description=params.get("Description", ""),
    )
    return {}


def get_work_group(state: State, params: Params) -> Params:
    """GetWorkGroup."""
    group = _find_work_group(state, params["WorkGroup"])
    location = {"OutputLocation": group.output_location} if group.output_location else {}
    return {
        "WorkGroup": {
            **_work_group_summary(group),
            "Configuration": {
                "ResultConfiguration": location,
                "EnforceWorkGroupConfiguration": group.enforced,
                "EngineVersion": _ENGINE_VERSION,
            },
        }
    }


def list_work_groups(state: State, params: Params) -> Params:
    """ListWorkGroups, all of them at once."""
    return {"WorkGroups": [_work_group_summary(group) for group in _work_groups(state).values()]}


def settle(state: State) -> None:
    """Nothing to do: queries end by themselves."""


_ENGINE_VERSION = {"SelectedEngineVersion": "AUTO", "EffectiveEngineVersion": "Athena engine version 3"}


def _run(state: State, query: Query, forced: str | None) -> None:
    """Run a query in its thread, and note how it ended unless it was cancelled meanwhile."""
    with state.lock:
        if query.is_finished:
            return
        query.state = "RUNNING"
    failure: QueryFailedError | None = None
    try:
        if forced == "FAILED":
            raise QueryFailedError(
                "GENERIC_INTERNAL_ERROR: ordered by a fault", category=1, error_type=200, retryable=True
            )
        engine.run(state.athena, query, state.clock())
    except QueryFailedError as error:
        failure = error
    except Exception as error:  # The thread's boundary: unseen here, the query would stay RUNNING for ever.
        failure = QueryFailedError(f"GENERIC_INTERNAL_ERROR: {error!r}", category=1, error_type=200)
    with state.lock:
        if not query.is_finished:
            query.state, query.failure = ("FAILED", failure) if failure else ("SUCCEEDED", None)
            query.completed_at = state.clock()


def _new_query(state: State, params: Params) -> Query:
    group = _find_work_group(state, params.get("WorkGroup", "primary"))
    requested = params.get("ResultConfiguration", {}).get("OutputLocation")
    location = group.output_location if group.enforced and group.output_location else requested or group.output_location
    if not location:
        raise _invalid(
            "No output location provided. An output location is required either through the Workgroup result "
            "configuration setting or as an API input."
        )
    try:
        bucket, _ = objects.split_url(location)
        statement = ddl.parse_statement(params["QueryString"])
    except ValueError as error:
        raise _invalid(str(error)) from error
    if not objects.bucket_exists(bucket):
        raise _invalid(f"Unable to verify/create output bucket {bucket}")
    query = Query(
        id=str(uuid.uuid4()),
        sql=params["QueryString"],
        statement=statement,
        database=params.get("QueryExecutionContext", {}).get("Database", DEFAULT_DATABASE),
        work_group=group.name,
        output="",
        submitted_at=state.clock(),
    )
    query.output = f"{location.rstrip('/')}/{query.id}.{'txt' if query.is_ddl else 'csv'}"
    return query


def _find_query(state: State, params: Params) -> Query:
    try:
        return state.athena.queries[params["QueryExecutionId"]]
    except KeyError as error:
        raise _invalid(f"QueryExecution {params['QueryExecutionId']} was not found") from error


def _work_groups(state: State) -> dict[str, WorkGroup]:
    return {"primary": WorkGroup("primary", state.clock())} | state.athena.work_groups


def _find_work_group(state: State, name: str) -> WorkGroup:
    try:
        return _work_groups(state)[name]
    except KeyError as error:
        raise _invalid(f"WorkGroup {name} is not found.") from error


def _work_group_summary(group: WorkGroup) -> Params:
    return {
        "Name": group.name,
        "State": "ENABLED",
        "Description": group.description,
        "CreationTime": group.created_at,
    }


def _datum(text: str | None) -> Params:
    return {} if text is None else {"VarCharValue": text}


def _column_info(name: str, duckdb_type: str) -> Params:
    precision, scale = results.precision_and_scale(duckdb_type)
    return {
        "CatalogName": "hive",
        "Name": name,
        "Label": name,
        "Type": results.athena_type(duckdb_type),
        "Precision": precision,
        "Scale": scale,
        "Nullable": "UNKNOWN",
        "CaseSensitive": duckdb_type == "VARCHAR",
    }


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidRequestException", message)


OPERATIONS = {
    "StartQueryExecution": start_query_execution,
    "GetQueryExecution": get_query_execution,
    "GetQueryResults": get_query_results,
    "StopQueryExecution": stop_query_execution,
    "CreateWorkGroup": create_work_group,
    "GetWorkGroup": get_work_group,
    "ListWorkGroups": list_work_groups,
}
