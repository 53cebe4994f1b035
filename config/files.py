"""Reads YAML files into dataclasses. An error is one line that names the file, the line and the key."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from booktape.model.errors import InvalidInputError

T = TypeVar("T")


class InvalidConfigurationError(InvalidInputError):
    """A configuration file is missing or invalid."""


def load_yaml(path: Path, kind: type[T]) -> dict[str, T]:
    """Read a file that maps names to definitions of one dataclass, whose first field, ``name``, is the name.

    Raises :class:`InvalidConfigurationError`, also for unknown and repeated keys.
    """
    root = _parse(path)
    content = yaml.safe_load(path.read_text()) or {}
    if not isinstance(content, dict):
        raise InvalidConfigurationError(f"{path}: expected a mapping of names to definitions")
    named = {
        name: {"name": name, **body} if isinstance(body, dict) else body or {"name": name}
        for name, body in content.items()
    }
    adapter = TypeAdapter(dict[str, kind], config=ConfigDict(extra="forbid"))  # type: ignore[valid-type]  # made here
    try:
        return adapter.validate_python(named)
    except ValidationError as error:
        first = error.errors()[0]
        keys = [str(part) for part in first["loc"] if part != "[key]"]
        raise InvalidConfigurationError(
            f"{path}, line {_line(root, keys)}: {'.'.join(keys)}: {first['msg']}"
        ) from error


def line_of(path: Path, keys: Sequence[str]) -> int:
    """The line of a key, or of the nearest key above it if there is no such key."""
    return _line(_parse(path), keys)


def _parse(path: Path) -> yaml.Node | None:
    try:
        root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise InvalidConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise InvalidConfigurationError(f"{path} is not UTF-8 text") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidConfigurationError(f"{path}, line {line}: {error.problem}") from error
    _refuse_repeated_keys(path, root)
    return root


def _refuse_repeated_keys(path: Path, node: Any) -> None:
    """YAML's loader accepts repeated keys, and silently uses the last one."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(path, item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise InvalidConfigurationError(f"{path}, line {line}: {key.value}: is a repeated key")
            seen.add(key.value)
            _refuse_repeated_keys(path, value)


def _line(node: Any, keys: Sequence[str]) -> int:
    line = 1
    for wanted in keys:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == wanted), None)
        elif isinstance(node, yaml.SequenceNode) and wanted.isdecimal() and int(wanted) < len(node.value):
            found = (node.value[int(wanted)],) * 2
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line
