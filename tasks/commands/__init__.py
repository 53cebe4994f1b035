"""The commands of the application that publish: a night, a republication, a release, the state of runs."""
