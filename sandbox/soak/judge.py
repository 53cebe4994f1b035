"""Compares what two instances have recorded with the ledger, and the gaps that each reported with what it misses."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from booktape.model import codec
from booktape.model.records import QUOTES, Record
from booktape.store.layout import is_in_uptime_log, parse_batch_key
from booktape.store.objects import Store
from sandbox.soak.sent import Sent, Stream, stored

Reported = Mapping[Stream, Sequence[tuple[int, int]]]
"""Gaps by stream: the first and the last missing id, both included; for quotes, the times before and after."""

_MAX_EXAMPLES: Final = 10


@dataclass
class Instance:
    """The comparison of one instance.

    ``missing``: records that it never stored. ``at_end``: those of them before its first or after its last record,
    which no gap can report. ``unreported``: runs of missing records between two of its records that no gap names
    exactly. ``gaps``: all reported gaps. ``unfounded``: reported gaps where nothing is missing. There must be none of
    trades and books. Quotes may have some (``unfounded_quotes``), because they have no numbers, so that each reconnect
    must be reported.
    """

    records: int = 0
    duplicated: int = 0
    wrong: int = 0
    missing: int = 0
    unreported: int = 0
    at_end: int = 0
    gaps: int = 0
    unfounded: int = 0
    unfounded_quotes: int = 0


@dataclass
class Verdict:
    """The comparison of both instances together. ``missing`` records neither has. ``examples`` are for people."""

    due: int = 0
    missing: int = 0
    shared: int = 0
    keys: int = 0
    instances: dict[str, Instance] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether no record is missing, duplicated or wrong, and exactly the gaps that exist were reported."""
        each = self.instances.values()
        return self.due > 0 and not (
            self.missing or any(one.duplicated or one.wrong or one.unreported or one.unfounded for one in each)
        )

    def show(self, text: str) -> None:
        """Keep an example, unless there are ten already."""
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(text)


def judge(sent: Mapping[Stream, Sent], stores: Mapping[str, Store], reported: Mapping[str, Reported]) -> Verdict:
    """Compare. ``stores`` and ``reported`` are by instance."""
    verdict = Verdict(instances={name: Instance() for name in stores})
    keys = {name: _keys(store) for name, store in stores.items()}
    sets = [{key for listed in found.values() for key in listed} for found in keys.values()]
    verdict.keys, verdict.shared = len(set.union(*sets)), len(set.intersection(*sets))
    for stream in sorted(sent.keys() | {stream for found in keys.values() for stream in found}):
        expected = sent.get(stream, Sent())
        union: set[int] = set()
        for name, store in stores.items():
            records = _records(store, stream.data_type, keys[name].get(stream, ()))
            union |= _judge_instance(verdict, name, stream, expected, records, reported[name].get(stream, ()))
        due = expected.due
        verdict.due += len(due)
        missing = [position for position in due if position not in union]
        verdict.missing += len(missing)
        if missing:
            verdict.show(f"missing in both: {stream} {missing[:5]}")
    return verdict


def _keys(store: Store) -> dict[Stream, list[str]]:
    found: dict[Stream, list[str]] = defaultdict(list)
    for item in store.objects(""):
        if is_in_uptime_log(item.key):
            continue
        key = parse_batch_key(item.key)
        found[Stream(key.data_type, key.market)].append(item.key)
    return found


def _records(store: Store, data_type: str, keys: Iterable[str]) -> list[Record]:
    return [record for key in keys for record in codec.decode_records(data_type, store.read(key))]


def _judge_instance(
    verdict: Verdict,
    name: str,
    stream: Stream,
    expected: Sent,
    records: Sequence[Record],
    reported: Sequence[tuple[int, int]],
) -> set[int]:
    """Compare one stream of an instance. Returns the positions at which the instance has what was sent."""
    found = verdict.instances[name]
    times: dict[int, int] = {}
    for record in records:
        position, content = stored(record)
        if expected.hashes.get(position) != content:
            found.wrong += 1
            verdict.show(f"wrong in {name}: {stream} {record}")
        elif position in times:
            found.duplicated += 1
            verdict.show(f"duplicated in {name}: {stream} {record}")
        else:
            times[position] = record.local_timestamp
    found.records += len(times)
    found.gaps += len(reported)
    runs = _missing(expected, times)
    found.missing += sum(len(run.positions) for run in runs)
    found.at_end += sum(len(run.positions) for run in runs if run.before is None or run.after is None)
    seen = Counter(gap for run in runs if (gap := _expected_gap(stream, run, times)) is not None)
    for gap in (seen - Counter(reported)).elements():
        found.unreported += 1
        verdict.show(f"unreported in {name}: {stream} {gap}")
    for gap in (Counter(reported) - seen).elements():
        if stream.data_type == QUOTES:
            found.unfounded_quotes += 1
        else:
            found.unfounded += 1
            verdict.show(f"unfounded in {name}: {stream} {gap}")
    return set(times)


class _Run(NamedTuple):
    """Consecutive positions that an instance misses, and those before and after; None at an end of the stream."""

    before: int | None
    positions: list[int]
    after: int | None


def _missing(expected: Sent, have: Container[int]) -> list[_Run]:
    """The runs that an instance misses. Before its first record, only records that are due count."""
    runs: list[_Run] = []
    run: list[int] = []
    last: int | None = None
    for position in sorted(expected.hashes):
        if position in have:
            if run:
                runs.append(_Run(last, run, position))
                run = []
            last = position
        elif last is not None or (expected.due_from is not None and position >= expected.due_from):
            run.append(position)
    if run:
        runs.append(_Run(last, run, None))
    return runs


def _expected_gap(stream: Stream, run: _Run, times: Mapping[int, int]) -> tuple[int, int] | None:
    """The gap that a run should cause. Ids are contiguous; a gap of quotes has the times before and after."""
    if run.before is None or run.after is None:
        return None
    if stream.data_type == QUOTES:
        return times[run.before], max(times[run.before], times[run.after])
    return run.before + 1, run.positions[-1]


def gaps_of(lines: Iterable[Mapping[str, Any]]) -> dict[Stream, list[tuple[int, int]]]:
    """The gaps that a worker has logged."""
    found: dict[Stream, list[tuple[int, int]]] = defaultdict(list)
    for line in lines:
        if line.get("event") == "gap":
            found[Stream(line["data_type"], line["market"])].append((line["first"], line["last"]))
    return found
