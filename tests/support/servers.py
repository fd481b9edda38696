"""A folder, served over HTTP on this machine, as a channel is."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Server:
    """Where it is, what was asked of it, and what it asks for itself (``user:password``)."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    credentials: str = ""
    delay: float = 0.0
    """Seconds before it sends a package."""

    @property
    def packages(self) -> list[str]:
        """The names of the package files that it was asked for."""
        paths = [path for path in self.asked if path.endswith((".conda", ".tar.bz2"))]
        return sorted({path.rsplit("/", 1)[1] for path in paths})


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, server_state: Server, **options: object) -> None:
        self.state = server_state
        super().__init__(*arguments, **options)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # who asked may have been stopped
            self._answer()

    def _answer(self) -> None:
        expected = "Basic " + base64.b64encode(self.state.credentials.encode()).decode()
        if self.state.credentials and self.headers.get("Authorization") != expected:
            self.send_error(HTTPStatus.UNAUTHORIZED)
            return
        self.state.asked.append(self.path)
        if self.path.endswith(".conda"):
            time.sleep(self.state.delay)
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def serving(folder: Path, credentials: str = "", delay: float = 0.0) -> Iterator[Server]:
    """Serve ``folder`` as long as the block lasts."""
    state = Server(credentials=credentials, delay=delay)
    handler = partial(_Handler, server_state=state, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
