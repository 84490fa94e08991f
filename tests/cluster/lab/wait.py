"""Waiting for an event with a deadline: the only place that polls."""

import time


class DeadlineExceeded(AssertionError):
    """The awaited thing did not happen in time."""


def until(seconds, what, check, pause=0.02):
    """Calls check() until it gives something true, and returns that; fails after `seconds`, naming `what`.

    An OSError from check() counts as "not yet": the thing asked may still be starting.
    """
    end = time.monotonic() + seconds
    last_error = None
    while True:
        try:
            result = check()
            if result:
                return result
        except OSError as error:
            last_error = error
        if time.monotonic() >= end:
            detail = f" (last error: {last_error})" if last_error else ""
            raise DeadlineExceeded(f"not within {seconds:g} s: {what}{detail}")
        time.sleep(pause)


def steady(seconds, what, read, quiet=0.3):
    """Waits until read() has given the same value for `quiet` seconds, and returns it."""
    state = {"value": read(), "since": time.monotonic()}

    def check():
        value = read()
        if value != state["value"]:
            state.update(value=value, since=time.monotonic())
        return time.monotonic() - state["since"] >= quiet

    until(seconds, what, check)
    return state["value"]
