"""One camera's state, told: its conditions become signed events, and its scene is kept over a restart."""

from typing import Any

from edge_agent.eye.counting import Frame, Lost
from edge_agent.eye.frame_rate import FrameRate, RateRule
from edge_agent.eye.opencv.sight import SceneTest
from edge_agent.keeping.camera_events import CameraEvents
from edge_agent.keeping.camera_memory import CameraMemory
from edge_agent.keeping.signer import Signer


class CameraState:
    """Give `test` to whoever counts, and then each picture to `see`. One thread."""

    def __init__(self, signer: Signer, stream: str, settings: dict[str, Any], *, needs: RateRule | None = None) -> None:
        """`needs`: how often pictures must come; without, none come too rarely."""
        self._clock = signer.clock
        self._memory = CameraMemory(signer, stream, settings)
        self.test = SceneTest(remembered=self._memory.recall())
        self._events = CameraEvents(signer, stream)
        self._slow = CameraEvents(signer, stream, kept_as="pace")
        self._rate = None if needs is None else FrameRate(needs)

    def see(self, what: Frame | Lost | None) -> None:
        """After the picture was judged: sign what is new of the camera."""
        now_ms = self._clock.utc_ms()
        match what:
            case Frame():
                self._events.tell(self.test.condition.value, at_ms=now_ms)
                if self._rate is not None:
                    self._slow.tell("slow" if self._rate.see(what.steady_ms) else "clear", at_ms=now_ms)
                self._memory.keep(self.test.pack)
            case Lost() if not what.ended:
                self._events.tell("lost", at_ms=now_ms)
                if self._rate is not None:
                    self._rate.begin()
            case _:
                pass
