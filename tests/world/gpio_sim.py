"""A chip of the kernel's own simulator (gpio-sim, by configfs), where there is one.

with GpioSim(lines={0: "S0-1", 1: ""}) as chip:
    chip.path                         # /dev/gpiochip3
    chip[0].set(0)                    # pulled down from outside
"""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

DEVICES = Path("/sys/kernel/config/gpio-sim")


def missing() -> str:
    """Why there is none; empty where there is."""
    if not DEVICES.is_dir():
        return "the kernel has no gpio-sim here (modprobe gpio-sim; mount -t configfs none /sys/kernel/config)"
    return "" if os.access(DEVICES, os.W_OK) else f"{DEVICES} belongs to root"


class SimLine:
    def __init__(self, pull: Path) -> None:
        self._pull = pull

    def set(self, level: int) -> None:
        self._pull.write_text("pull-up" if level else "pull-down")


class GpioSim:
    """See the module."""

    def __init__(self, *, lines: dict[int, str]) -> None:
        self._names = lines
        self._device = DEVICES / f"qianliyan-{os.getpid()}"
        self._lines: dict[int, SimLine] = {}
        self.path = ""

    def __getitem__(self, offset: int) -> SimLine:
        return self._lines[offset]

    def __enter__(self) -> Self:
        bank = self._device / "bank0"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(max(self._names) + 1))
        for offset, name in self._names.items():
            (bank / f"line{offset}").mkdir()
            (bank / f"line{offset}" / "name").write_text(name)
        (self._device / "live").write_text("1")
        chip = (bank / "chip_name").read_text().strip()
        device = (self._device / "dev_name").read_text().strip()
        self.path = f"/dev/{chip}"
        for offset in self._names:
            line = SimLine(Path(f"/sys/devices/platform/{device}/{chip}/sim_gpio{offset}/pull"))
            line.set(1)
            self._lines[offset] = line
        return self

    def __exit__(
        self, kind: type[BaseException] | None, wrong: BaseException | None, trace: TracebackType | None
    ) -> None:
        bank = self._device / "bank0"
        (self._device / "live").write_text("0")
        for offset in self._names:
            (bank / f"line{offset}").rmdir()
        bank.rmdir()
        self._device.rmdir()
