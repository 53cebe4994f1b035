"""Checks of a value against a botocore shape: members and types, and the constraints that botocore itself skips."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

# Patterns in the published model that the real service contradicts, by shape name.
WAIVED_PATTERNS = {
    # The model says letters only, yet every documented entity type carries a version: "DataProduct@1.0".
    # AWS Marketplace Catalog API Reference, "Working with data products".
    "EntityType": "^[a-zA-Z]+$",
    # The model allows a single letter, beside a maximum length of 72.
    "ChangeName": "^[a-zA-Z]$",
}

# Java's regular expressions, as they stand in the models, in Python's words.
_JAVA_TO_PYTHON = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
}


def problems(value: Any, shape: Shape) -> list[str]:
    """Say everything that is wrong with ``value`` for ``shape``; an empty list means that it fits.

    Unknown members, missing required members and wrong types come from botocore's own validator; enum, pattern,
    min and max, of which botocore checks only min, are checked here once the structure is right.
    """
    report = ParamValidator().validate(value, shape)
    if report.has_errors():
        return str(report.generate_report()).split("\n")
    return list(_constraint_problems(value, shape, shape.name))


def _constraint_problems(value: Any, shape: Shape, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        if not shape.is_document_type:
            for name, member in value.items():
                yield from _constraint_problems(member, shape.members[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        yield from _range_problems(len(value), shape, f"length of {path}")
        for index, item in enumerate(value):
            yield from _constraint_problems(item, shape.member, f"{path}[{index}]")
    elif isinstance(shape, MapShape):
        yield from _range_problems(len(value), shape, f"length of {path}")
        for key, item in value.items():
            yield from _constraint_problems(key, shape.key, f"key of {path}")
            yield from _constraint_problems(item, shape.value, f"{path}[{key!r}]")
    elif isinstance(shape, StringShape):
        yield from _string_problems(value, shape, path)
    elif shape.type_name in {"integer", "long", "float", "double"}:
        yield from _range_problems(value, shape, path)


def _string_problems(value: str, shape: StringShape, path: str) -> Iterator[str]:
    yield from _range_problems(len(value), shape, f"length of {path}")
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not one of {', '.join(shape.enum)}"
    pattern = shape.metadata.get("pattern")
    waived = pattern is not None and WAIVED_PATTERNS.get(shape.name) == pattern
    if pattern and not waived and not _compiled(pattern).fullmatch(value):
        yield f"{path}: {value!r} does not match {pattern}"


def _range_problems(number: float, shape: Shape, path: str) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and number < minimum:
        yield f"{path}: {number} is less than {minimum}"
    if maximum is not None and number > maximum:
        yield f"{path}: {number} is greater than {maximum}"


@lru_cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA_TO_PYTHON.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)
