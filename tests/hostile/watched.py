"""A file and a port of this machine that nobody has any business with, and whether somebody had."""

import ctypes
import os
import socket
import threading
from pathlib import Path

_IN_ACCESS_OPEN = 0x1 | 0x20
_IN_NONBLOCK = os.O_NONBLOCK


class Canary:
    """A file that tells when it is opened, by inotify(7)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(_IN_NONBLOCK)
        assert libc.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_ACCESS_OPEN) >= 0, ctypes.get_errno()

    def was_opened(self) -> bool:
        """Since the last question."""
        try:
            return bool(os.read(self._descriptor, 1 << 16))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._descriptor)


class Listener:
    """A port of the loopback device; whoever calls is counted and gets nothing."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.port = int(self._server.getsockname()[1])
        self._datagrams.bind(("127.0.0.1", self.port))
        self._datagrams.setblocking(False)
        self._calls = 0
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:
                return
            self._calls += 1
            caller.close()

    def was_called(self) -> bool:
        """Since the last question."""
        calls, self._calls = self._calls, 0
        try:
            return bool(self._datagrams.recv(1)) or bool(calls)
        except BlockingIOError:
            return bool(calls)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._datagrams.close()
        self._thread.join()
