"""The version of the package, in a module that imports nothing: every room may read it."""

VERSION = "0.2.0"
