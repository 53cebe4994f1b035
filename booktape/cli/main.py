"""The entry point of the ``booktape`` command. It imports the commands only once an interrupt ends quietly."""

import os


def main() -> None:
    """Run the command line in :data:`sys.argv`. Ends with SystemExit."""
    from booktape.cli import console
    from booktape.cli.app import app

    console.run(app, "booktape")


def program() -> None:
    """As :func:`main`, for a process that does nothing else: Ctrl-C ends it with status 130 and without a traceback."""
    try:
        from booktape.cli import interrupts

        interrupts.end_on_interrupt()
        try:
            main()
        finally:
            interrupts.end_on_interrupt()
    except KeyboardInterrupt:
        os._exit(130)


if __name__ == "__main__":
    program()
