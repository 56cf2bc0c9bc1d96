"""The one door to the runtime of detectors: ai-edge-litert, or tflite-runtime where only that exists.

A model is known by `manifest.json` beside it: what is not listed there, or whose bytes have another hash, is refused.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_agent.eye.finding import GateDetector, StockFinder
from edge_agent.eye.peaks import Found, peaks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from edge_agent.eye.counting import Picture

LOG = logging.getLogger(__name__)

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
"""Tried in this order; the first is 7 to 23 times faster."""

FOLDERS = (Path(__file__).parent / "models", Path(__file__).parents[2] / "models")
"""Where the models are: in an installed package, in a working tree."""


class ModelError(Exception):
    """A model cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A model as its manifest tells of it."""

    name: str
    version: str
    path: Path
    sha256: bytes
    input_size: tuple[int, int]
    stride: int
    classes: tuple[str, ...]
    least_score: float
    """Finds below this are not told."""


class Model:
    """One detector, loaded; one thread. Not to be shared between threads."""

    def __init__(self, listed: Listed) -> None:
        """Load it; raises ModelError where its file is missing or is not the one listed, or no runtime is there."""
        self.listed = listed
        try:
            content = listed.path.read_bytes()
        except OSError as error:
            raise ModelError(f"{listed.path} cannot be read ({error.strerror}). Install the package again.") from error
        if (found := hashlib.sha256(content).digest()) != listed.sha256:
            raise ModelError(
                f"{listed.path} is not the model that its manifest lists: its SHA-256 is {found.hex()[:16]}…, "
                f"not {listed.sha256.hex()[:16]}…. Install the package again, or export the model again."
            )
        interpreter, runtime = _runtime()
        with _quiet():
            self._interpreter = interpreter(model_content=content, num_threads=1)
            self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        self._logits = next(one for one in outputs if one["shape"][-1] == len(listed.classes))
        self._sizes = next(one for one in outputs if one["shape"][-1] == 2)  # noqa: PLR2004 width and height
        scale, zero = self._input["quantization"]
        levels = np.round(np.arange(256) / 255 / scale) + zero
        self._levels = levels.clip(-128, 127).astype(np.int8)
        LOG.info("model %s loaded by %s", self.name, runtime)

    @property
    def name(self) -> str:
        """Name and version: what stands in a statement."""
        return f"{self.listed.name} {self.listed.version}"

    @property
    def sha256(self) -> bytes:
        """Of the model's file."""
        return self.listed.sha256

    @property
    def least_score(self) -> float:
        """Finds below this are not told."""
        return self.listed.least_score

    @property
    def input_size(self) -> tuple[int, int]:
        """Width and height of the pictures it takes."""
        return self.listed.input_size

    @property
    def classes(self) -> tuple[str, ...]:
        """What its class numbers mean."""
        return self.listed.classes

    def maps(self, picture: Picture) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits and sizes, rows x columns x channels, of a picture of exactly the input's size."""
        self._interpreter.set_tensor(self._input["index"], self._levels[picture][None])
        self._interpreter.invoke()
        return self._real(self._logits), self._real(self._sizes)

    def find(self, picture: Picture, *, least: float | None = None) -> Found:
        """The items in a picture of exactly the input's size; `least` score, as the manifest says if not given."""
        logits, sizes = self.maps(picture)
        return peaks(logits, sizes, stride=self.listed.stride, least=least or self.listed.least_score)

    def _real(self, output: dict[str, Any]) -> NDArray[np.float32]:
        scale, zero = output["quantization"]
        values = self._interpreter.get_tensor(output["index"])[0]
        return np.asarray((values.astype(np.float32) - np.float32(zero)) * np.float32(scale))


def listed(name: str, folder: Path | None = None) -> Listed:
    """What the manifest says of this model; raises ModelError where it says nothing."""
    folder = folder or next((one for one in FOLDERS if (one / "manifest.json").exists()), FOLDERS[0])
    try:
        models = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["models"]
        entry = models[name]
        return Listed(
            name=name,
            version=entry["version"],
            path=folder / entry["file"],
            sha256=bytes.fromhex(entry["sha256"]),
            input_size=(entry["input_size"][0], entry["input_size"][1]),
            stride=entry["stride"],
            classes=tuple(entry["classes"]),
            least_score=entry["least_score"],
        )
    except OSError as error:
        raise ModelError(f"no list of models at {folder / 'manifest.json'}. Install the package again.") from error
    except KeyError as error:
        raise ModelError(f"{folder / 'manifest.json'} does not say {error} of the model {name!r}.") from error


def gate_detector(*, folder: Path | None = None) -> GateDetector:
    """A detector for every frame at a gate (`edge_agent.eye.counting.Detector`); raises ModelError."""
    return GateDetector(Model(listed("gate", folder)))


def stock_finder(*, folder: Path | None = None, least: float = 0.2) -> StockFinder:
    """Finds what stands in a zone, once a minute with care; raises ModelError.

    Boxes of a score down to `least` are told: those that are not counted make the count uncertain.
    """
    return StockFinder(Model(listed("stock", folder)), least=least)


@contextmanager
def _quiet() -> Iterator[None]:
    """The runtime tells of its delegates on descriptor 2, at each start and with no way to ask it not to."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@functools.cache
def _runtime() -> tuple[Any, str]:
    """The interpreter's class and the package it is from."""
    for name in RUNTIMES:
        try:
            return importlib.import_module(name).Interpreter, name.split(".")[0]
        except ImportError:
            continue
    raise ModelError("no runtime for models: install ai-edge-litert, or on 32-bit ARM tflite-runtime.")
