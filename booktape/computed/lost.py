"""What is missing of a stream, as far as it was told."""

from booktape.core.missing import Missing

_ALL = "*"
"""The data type of a loss that may be of any stream."""


class Lost:
    """The losses of one data type, asked for by times (µs)."""

    def __init__(self, data_type: str) -> None:
        self._data_types = (data_type, _ALL)
        self._missing: list[Missing] = []

    def add(self, missing: Missing) -> bool:
        """Take a loss in; False where it is of another data type."""
        if missing.data_type not in self._data_types:
            return False
        self._missing.append(missing)
        return True

    def touches(self, start: int, end: int) -> bool:
        """Whether something is missing between ``start`` and ``end``, that one left out."""
        return any(missing.start < end and start <= _last(missing) for missing in self._missing)

    def forget(self, before: int) -> None:
        """Drop what is over by then."""
        if self._missing:
            self._missing = [missing for missing in self._missing if _last(missing) >= before]


def _last(missing: Missing) -> int:
    """The last µs of which something may be missing: a record that is known by its number may be as late as the end."""
    return missing.end if missing.first is not None else max(missing.start, missing.end - 1)
