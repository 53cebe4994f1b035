"""A Celery application that can be killed at a chosen point: the production one, wrapped here and nowhere else.

While a file ``{step}.before``, ``{step}.after``, ``{step}.recorded`` or ``{operation}.answered`` lies in the directory
``KILL_DIRECTORY``, the whole worker, parent and children, dies by SIGKILL when it comes to that point: before a step,
after its effect but before its record, after its record, or when an AWS call has been answered. The file dies first, so
each kill happens once.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from boto3.session import Session

from booktape.publish import manifest, steps
from booktape.publish.aws import Aws
from tasks import app

__all__ = ["app"]

_directory = Path(os.environ["KILL_DIRECTORY"])


def die_here_if_asked(point: str) -> None:
    try:
        (_directory / point).unlink()
    except FileNotFoundError:
        return
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _around(name: str, do: Callable[..., Any]) -> Callable[..., Any]:
    def step(*arguments: Any) -> Any:
        die_here_if_asked(f"{name}.before")
        result = do(*arguments)
        die_here_if_asked(f"{name}.after")
        return result

    return step


def _after_record(record: Callable[..., Any]) -> Callable[..., Any]:
    def recorded(store: Any, run: Any, value: Any) -> Any:
        result = record(store, run, value)
        die_here_if_asked(f"{type(value).__struct_config__.tag}.recorded")
        return result

    return recorded


def _watch_answers(make: Callable[..., None]) -> Callable[..., None]:
    def made(self: Any, *arguments: Any) -> None:
        make(self, *arguments)
        session: Session = self._session
        session.events.register("after-call", lambda model, **_: die_here_if_asked(f"{model.name}.answered"))

    return made


for _name, _step in steps.STEPS.items():
    steps.STEPS[_name] = replace(_step, do=_around(_name, _step.do))
manifest.record_result = _after_record(manifest.record_result)
Aws.__init__ = _watch_answers(Aws.__init__)  # type: ignore[method-assign]
