"""What a long-running process is told by signals: to stop (SIGTERM, SIGINT), or to read its file again (SIGHUP)."""

import os
import signal
from threading import Event, Thread
from typing import Final

_SIGNALS: Final = frozenset((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))


class Orders:
    """Orders as they come. `given` is set by each, and cleared by `go_on`."""

    def __init__(self) -> None:
        self.stop = Event()
        self.given = Event()
        self._reload = Event()

    def await_signals(self) -> None:
        """From here on signals are orders; a second SIGINT ends the process at once.

        By a thread that waits for them: an Event that is set inside a signal handler can lock up, when the signal came
        while the main thread was about to wait for that very Event.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # inherited by every thread that starts from here on
        Thread(target=self._listen, name="signals", daemon=True).start()

    def go_on(self) -> bool:
        """Whether to go on; every order up to now is answered by this, or by `take_reload` after it."""
        self.given.clear()
        return not self.stop.is_set()

    def take_reload(self) -> bool:
        """Whether the file is to be read again; once an order."""
        wanted = self._reload.is_set()
        self._reload.clear()
        return wanted

    def give_stop(self) -> None:
        """Any thread may order it."""
        self.stop.set()
        self.given.set()

    def give_reload(self) -> None:
        """Any thread may order it."""
        self._reload.set()
        self.given.set()

    def _listen(self) -> None:
        while True:
            number = signal.sigwait(_SIGNALS)
            if number == signal.SIGHUP:
                self.give_reload()
            elif self.stop.is_set() and number == signal.SIGINT:
                os._exit(130)  # at any instant as safe as a power cut
            else:
                self.give_stop()
