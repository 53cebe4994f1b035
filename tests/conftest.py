"""What holds for every test."""

from hypothesis import settings

from tests.waiting import let_libraries_wait

# How long an example takes depends on what else the machine does; speed is measured in bench/, not here.
settings.register_profile("booktape", deadline=None)
settings.load_profile("booktape")

# For .ci/run: the same examples whenever the tests are the same, so that a change lands or not by what it is.
settings.register_profile("repeatable", deadline=None, derandomize=True)

let_libraries_wait()
