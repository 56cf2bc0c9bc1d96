"""A real browser: headless Chromium, driven over its pipe by the DevTools protocol. No library, no port."""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
LEAVES_WITHIN_S = 5.0
LAUNCHER = """
import fcntl, os, sys
pipe = [int(number) for number in sys.argv[1:3]]
aside = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 64) for number in pipe]  # one of the two may be 3 or 4 itself
for number in pipe:
    os.close(number)
for number, wanted in zip(aside, (3, 4)):
    os.dup2(number, wanted)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The pipe must be descriptors 3 and 4."""


class Browser:
    """One tab of one browser."""

    def __init__(self, wire_in: int, wire_out: int, log: Path) -> None:
        self._in, self._out, self._log = wire_in, wire_out, log
        self._left = b""
        self._n = 0
        self._session: str | None = None
        self.said: list[str] = []
        """What the page's console said, security violations included."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command and its answer; events on the way are heard."""
        self._n += 1
        message: dict[str, Any] = {"id": self._n, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        with suppress(BrokenPipeError):  # then it has nothing more to say either
            os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._hear()
            if answer.get("id") == self._n:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def show(
        self,
        url: str,
        *,
        width: int = 390,
        height: int = 844,
        dark: bool = False,
        scripts: bool = True,
        language: str = "zh-CN",
        scale: float = 2,
    ) -> None:
        """Open a page on a screen of that size, and wait until it is drawn."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 700,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        self.call("Page.navigate", url=url)
        self.hear("Page.loadEventFired")

    def hear(self, event: str) -> None:
        """Wait for an event of that name."""
        while self._hear().get("method") != event:
            pass

    def ask(self, expression: str) -> Any:  # noqa: ANN401  whatever the page answers
        """The value of an expression in the page; works with the page's own scripts disabled, too."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self, *, whole: bool = False) -> bytes:
        """A PNG of the screen, or of the whole page."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole=whole))
        return base64.b64decode(data["data"])

    def _clip(self, *, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        return {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            got = os.read(self._out, 1 << 20)
            if not got:
                raise RuntimeError(f"the browser ended: {self._log.read_text(errors='replace')[-2000:]}")
            self._left += got
        line, self._left = self._left.split(b"\0", 1)
        message: dict[str, Any] = json.loads(line)
        if message.get("method") == "Log.entryAdded":
            self.said.append(message["params"]["entry"]["text"])
        if message.get("method") == "Runtime.consoleAPICalled":
            self.said.append(json.dumps(message["params"]["args"]))
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """A fresh browser with an empty profile; it and all that it started are gone afterwards."""
    assert CHROMIUM is not None
    with TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        said = Path(profile) / "said"
        to_browser, our_in = os.pipe()
        our_out, from_browser = os.pipe()
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}/user"]
        with said.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", LAUNCHER, str(to_browser), str(from_browser), *command],
                pass_fds=(to_browser, from_browser),
                start_new_session=True,
                stdout=log,
                stderr=log,
            )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Browser(our_in, our_out, said)
        finally:
            os.close(our_in)
            with suppress(subprocess.TimeoutExpired):
                process.wait(LEAVES_WITHIN_S)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(our_out)


def save(path: Path, picture: bytes) -> None:
    """Keep a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
