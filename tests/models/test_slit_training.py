"""From simulated scans to a model on the box, in little: train, go on, export, evaluate.

Runs where the extra "train" is installed: scripts/test-models makes such an environment.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed here; scripts/test-models installs it")
pytest.importorskip("litert_torch", reason="the extra 'train' is not installed here; scripts/test-models installs it")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))

import slit  # noqa: E402  scripts, not a package
from slits import network  # noqa: E402
from slits.export import calibration  # noqa: E402
from slits.floating import FloatSlits  # noqa: E402
from slits.simulate import simulate  # noqa: E402

from edge_agent.eye.litert import Model, listed  # noqa: E402
from edge_agent.eye.slit_counter import slit_scan  # noqa: E402

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("default"),  # the exporters' own
]
STEPS = 40
NEAR = 0.02


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained tiny network and its exported model."""
    folder = tmp_path_factory.mktemp("slits")
    learn = ["train", "--size", "tiny", "--batch", "4", "--into", str(folder / "run")]
    assert slit.main([*learn, "--steps", str(STEPS // 2)]) == 0
    assert torch.load(folder / "run" / "last.pt", weights_only=True)["done"] == STEPS // 2
    assert slit.main([*learn, "--steps", str(STEPS)]) == 0  # goes on where it was
    weights = ["--size", "tiny", "--weights", str(folder / "run" / "best.pt")]
    assert slit.main(["export", *weights, "--version", "1", "--scans", "8", "--into", str(folder)]) == 0
    return folder


def test_eight_bits_are_within_two_hundredths_of_float(workshop: Path) -> None:
    eight, exact = Model(listed("slit", workshop)), FloatSlits("tiny", workshop / "run" / "best.pt")
    for seed in range(6):
        scan = simulate(seed).scan()
        chances = [1 / (1 + np.exp(-model.maps(scan)[0])) for model in (eight, exact)]
        assert np.abs(chances[0] - chances[1]).mean() < NEAR  # a net of 40 steps is not sure anywhere


def test_the_exported_model_is_listed_with_its_facts(workshop: Path) -> None:
    entry = json.loads((workshop / "manifest.json").read_text())["models"]["slit"]
    assert entry["classes"] == list(network.CLASSES)
    assert entry["input_size"] == [256, 96]


def test_it_is_evaluated_by_kind_of_scene(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert slit.main(["evaluate", "--models", str(workshop), "--each", "1"]) == 0
    told = capsys.readouterr().out
    assert all(scene in told for scene in ("belt", "loose", "people", "hands", "empty", "together"))


def test_black_and_white_are_among_what_it_is_calibrated_with() -> None:
    scans = calibration(None, 3)
    assert (scans[0].max(), scans[1].min()) == (0, 1)
    assert all(one.shape == (1, 96, 256, network.CHANNELS) for one in scans)


def test_what_stands_still_goes_no_way() -> None:
    lines = np.repeat(simulate(1).lines[:1], 256, axis=0)
    ways = slit_scan(lines, np.ones(lines.shape[1], dtype=bool))[..., -network.WAYS :]
    assert (ways == round(255 * network.NO_WAY)).all()


def test_mistakes_are_told_and_not_traced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["train", "--real", str(tmp_path), "--into", str(tmp_path)],
        ["export", "--weights", str(tmp_path / "no.pt"), "--version", "1"],
        ["evaluate", "--models", str(tmp_path)],
        ["draw", str(tmp_path / "no" / "folder.png"), "--count", "1"],
    ):
        with pytest.raises(SystemExit) as left:
            slit.main(arguments)
        assert left.value.code == 2
        assert "error:" in capsys.readouterr().err
