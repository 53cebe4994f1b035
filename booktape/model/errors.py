"""The tree of exceptions. Every exception of Booktape derives from :class:`BooktapeError`.

::

    BooktapeError
    ├── TransientError          a service is away or busy: the same call may succeed later
    ├── InvalidInputError       an argument, an option, a setting or a given file is wrong
    ├── NotAvailableError       nothing is recorded, stored or published of what was requested
    ├── DataError               stored or received data is not what it should be
    │   └── RecordError         a frame or a record of an exchange cannot be used (also a ValueError)
    ├── RefusedError            a service refuses a request, and would refuse it again
    ├── StateError              a run is in a state in which the operation is not allowed
    ├── FailedError             an operation ended without its result
    └── NotInstalledError       an optional part of the package is not installed

Only a :class:`TransientError` is worth another try; the loop of the caller decides when. Every other error is terminal:
its text names the fault and the next step, on one line, and the command line prints that line. ``docs/errors.md`` lists
all classes.
"""


class BooktapeError(Exception):
    """Something went wrong that the text explains, on one line: the fault and the next step."""


class TransientError(BooktapeError):
    """A service is away or busy, or a limit is reached. The same call may succeed later."""


class InvalidInputError(BooktapeError):
    """An argument, an option, a setting or a given file is wrong. Correct it, and call again."""


class NotAvailableError(BooktapeError):
    """Nothing is recorded, stored or published of what was requested, or something is missing of it."""


class DataError(BooktapeError):
    """Stored or received data is not what it should be: damaged, changed, or of an unknown format."""


class RecordError(DataError, ValueError):
    """A frame or a record of an exchange cannot be used. A collector counts it, and continues."""


class RefusedError(BooktapeError):
    """A service refuses a request, and would refuse it again."""


class StateError(BooktapeError):
    """A run or a system is in a state in which the operation is not allowed."""


class FailedError(BooktapeError):
    """An operation ended without its result."""


class NotInstalledError(BooktapeError):
    """An optional part of the package is not installed."""
