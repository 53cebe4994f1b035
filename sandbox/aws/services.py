"""The services that the sandbox itself runs; moto has all the others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.aws import catalog, dataexchange
from sandbox.aws.athena import handlers as athena
from sandbox.aws.errors import ServiceError
from sandbox.aws.protocol import Params, Request, Response, find_operation, parse, serialise, service_model
from sandbox.aws.state import State

Handler = Callable[[State, Params], Params]


@dataclass(frozen=True)
class Service:
    """A service's handlers by operation, and how its resources catch up with the clock."""

    operations: Mapping[str, Handler]
    settle: Callable[[State], None]


SERVICES = {
    "athena": Service(athena.OPERATIONS, athena.settle),
    "dataexchange": Service(dataexchange.OPERATIONS, dataexchange.settle),
    "marketplace-catalog": Service(catalog.OPERATIONS, catalog.settle),
}


def answer(state: State, name: str, request: Request) -> Response:
    """Answer one request to one of these services.

    Raises ServiceError for what the service refuses, ContractError for what the sandbox gets wrong.
    """
    operation = find_operation(name, request)
    handler = SERVICES[name].operations.get(operation)
    if handler is None:
        raise ServiceError("NotImplemented", f"the sandbox does not have {name} {operation}", status=501)
    model = service_model(name).operation_model(operation)
    params = parse(model, request)
    with state.lock:
        settle_all(state)
        result = handler(state, params)
        settle_all(state)
    return serialise(model, result)


def settle_all(state: State) -> None:
    """Let every service catch up with the clock."""
    for service in SERVICES.values():
        service.settle(state)
