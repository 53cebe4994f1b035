"""What holds for every test."""

from hypothesis import settings

# How long an example takes depends on what else the machine does; speed is measured in bench/, not here.
settings.register_profile("booktape", deadline=None)
settings.load_profile("booktape")
