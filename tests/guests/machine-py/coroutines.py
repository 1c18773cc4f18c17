"""Coroutines that wait in memory: nothing of them is outside it between two events."""

from collections import deque

_ready = deque()


class Future:
    """A value or an exception that comes later."""

    def __init__(self):
        self.done = False
        self._value = self._error = None
        self._waiting = []

    def __await__(self):
        if not self.done:
            yield self
        if self._error is not None:
            raise self._error
        return self._value

    def finish(self, value=None, error=None):
        self.done, self._value, self._error = True, value, error
        _ready.extend(self._waiting)
        self._waiting.clear()


class Task(Future):
    """A coroutine that runs by itself; it runs up to its first wait at once."""

    def __init__(self, coroutine):
        super().__init__()
        self._coroutine = coroutine
        self._step()

    def _step(self):
        try:
            awaited = self._coroutine.send(None)
        except StopIteration as stop:
            self.finish(stop.value)
        except Exception as error:
            self.finish(error=error)
            if not self._waiting:
                raise
        else:
            # Nothing finishes one between its `yield` and here.
            awaited._waiting.append(self)


def run():
    """Runs everything that can go on."""
    while _ready:
        _ready.popleft()._step()
