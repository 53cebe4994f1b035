"""Holds what two instances have recorded against the ledger, and the gaps that each told against what it lacks."""

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from booktape.model import codec
from booktape.model.records import QUOTES, Record
from booktape.store.layout import is_in_uptime_log, parse_batch_key
from booktape.store.objects import Store
from sandbox.soak.sent import Sent, Stream, stored

Told = Mapping[Stream, Sequence[tuple[int, int]]]
"""Gaps by stream: the first and last that are missing, both included; of quotes, the times around it."""

_MOST_EXAMPLES: Final = 10


@dataclass
class Instance:
    """What was found of one instance.

    ``lacking`` records it never stored; ``silent`` are those of them before its first or after its last record, which
    nobody could tell. ``untold`` runs lie between two of its records, and no told gap says exactly that. ``vain`` gaps
    were told where nothing is lacking: of trades and books there must be none; of quotes there may be, since they have
    no numbers and so each reconnect must be told (``vain_quotes``).
    """

    records: int = 0
    doubled: int = 0
    wrong: int = 0
    lacking: int = 0
    untold: int = 0
    silent: int = 0
    gaps: int = 0
    vain: int = 0
    vain_quotes: int = 0


@dataclass
class Verdict:
    """What was found of both together. ``examples`` are for people."""

    due: int = 0
    missing: int = 0
    shared: int = 0
    keys: int = 0
    instances: dict[str, Instance] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is missing, doubled or wrong, and every gap was told, and none that is not there."""
        each = self.instances.values()
        return self.due > 0 and not (
            self.missing or any(one.doubled or one.wrong or one.untold or one.vain for one in each)
        )

    def show(self, text: str) -> None:
        """Keep an example, if there are not too many."""
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(text)


def judge(sent: Mapping[Stream, Sent], stores: Mapping[str, Store], told: Mapping[str, Told]) -> Verdict:
    """Compare. ``stores`` and ``told`` are by instance."""
    verdict = Verdict(instances={name: Instance() for name in stores})
    keys = {name: _keys(store) for name, store in stores.items()}
    sets = [{key for listed in found.values() for key in listed} for found in keys.values()]
    verdict.keys, verdict.shared = len(set.union(*sets)), len(set.intersection(*sets))
    for stream in sorted(sent.keys() | {stream for found in keys.values() for stream in found}):
        expected = sent.get(stream, Sent())
        union: set[int] = set()
        for name, store in stores.items():
            records = _records(store, stream.data_type, keys[name].get(stream, ()))
            union |= _judge_instance(verdict, name, stream, expected, records, told[name].get(stream, ()))
        due = expected.due
        verdict.due += len(due)
        missing = [place for place in due if place not in union]
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
    told: Sequence[tuple[int, int]],
) -> set[int]:
    """Judge what an instance has of one stream; returns the places at which it has what was sent."""
    found = verdict.instances[name]
    times: dict[int, int] = {}
    for record in records:
        place, content = stored(record)
        if expected.hashes.get(place) != content:
            found.wrong += 1
            verdict.show(f"wrong in {name}: {stream} {record}")
        elif place in times:
            found.doubled += 1
            verdict.show(f"twice in {name}: {stream} {record}")
        else:
            times[place] = record.local_timestamp
    found.records += len(times)
    found.gaps += len(told)
    runs = _lacking(expected, times)
    found.lacking += sum(len(run.places) for run in runs)
    found.silent += sum(len(run.places) for run in runs if run.before is None or run.after is None)
    seen = Counter(gap for run in runs if (gap := _as_told(stream, run, times)) is not None)
    for gap in (seen - Counter(told)).elements():
        found.untold += 1
        verdict.show(f"untold in {name}: {stream} {gap}")
    for gap in (Counter(told) - seen).elements():
        if stream.data_type == QUOTES:
            found.vain_quotes += 1
        else:
            found.vain += 1
            verdict.show(f"told in vain in {name}: {stream} {gap}")
    return set(times)


class _Run(NamedTuple):
    """Places in a row that an instance lacks, and those around them that it has; None at an end of the stream."""

    before: int | None
    places: list[int]
    after: int | None


def _lacking(expected: Sent, have: Container[int]) -> list[_Run]:
    """What an instance lacks. Before its first record, only what it must have counts."""
    runs: list[_Run] = []
    run: list[int] = []
    last: int | None = None
    for place in sorted(expected.hashes):
        if place in have:
            if run:
                runs.append(_Run(last, run, place))
                run = []
            last = place
        elif last is not None or (expected.due_from is not None and place >= expected.due_from):
            run.append(place)
    if run:
        runs.append(_Run(last, run, None))
    return runs


def _as_told(stream: Stream, run: _Run, times: Mapping[int, int]) -> tuple[int, int] | None:
    """The gap that should have been told of a run. Ids are contiguous; quotes are told by the times around."""
    if run.before is None or run.after is None:
        return None
    if stream.data_type == QUOTES:
        return times[run.before], max(times[run.before], times[run.after])
    return run.before + 1, run.places[-1]


def gaps_of(lines: Iterable[Mapping[str, Any]]) -> dict[Stream, list[tuple[int, int]]]:
    """The gaps that a worker's log tells."""
    found: dict[Stream, list[tuple[int, int]]] = defaultdict(list)
    for line in lines:
        if line.get("event") == "gap":
            found[Stream(line["data_type"], line["market"])].append((line["first"], line["last"]))
    return found
