"""From pictures to a model on the box, in little: draw, train, go on, export, evaluate, adapt to a site.

Runs where the extra "train" is installed: scripts/test-models makes such an environment.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed here; scripts/test-models installs it")
pytest.importorskip("litert_torch", reason="the extra 'train' is not installed here; scripts/test-models installs it")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "models"))

import data  # noqa: E402  scripts, not a package
import evaluate  # noqa: E402
import export  # noqa: E402
import finetune  # noqa: E402
import network  # noqa: E402
import train  # noqa: E402
from floating import FloatModel  # noqa: E402

from edge_agent.eye.litert import Model, listed  # noqa: E402

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.filterwarnings("default"),  # the exporters' own
]
STEPS = 600


def draw(folder: Path, count: int, seed: int) -> Path:
    """Pictures of pale cartons and dark discs (tyres), with labels as models/synth/stills.py writes them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    images = []
    for number in range(count):
        picture = np.full((256, 256, 3), rng.integers(90, 150), dtype=np.uint8)
        items: list[dict[str, object]] = []
        for row in range(3):
            for column in range(3):
                if rng.random() < 0.3:
                    continue
                side = int(rng.integers(36, 60))
                x, y = 20 + 75 * column, 20 + 75 * row
                kind = "carton" if rng.random() < 0.6 else "tyre"
                if kind == "carton":
                    picture[y : y + side, x : x + side] = rng.integers(190, 255)
                else:
                    cv2.circle(picture, (x + side // 2, y + side // 2), side // 2, (20, 20, 20), -1)
                items.append({"class": kind, "box": [x, y, x + side, y + side], "visible": 1.0, "id": len(items)})
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        images.append({"image": f"{number}.png", "items": items})
    (folder / "labels.json").write_text(json.dumps({"images": images}))
    return folder


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a trained tiny network and its exported model."""
    folder = tmp_path_factory.mktemp("workshop")
    draw(folder / "seen", 40, 1)
    draw(folder / "unseen", 30, 2)
    into = ["--into", str(folder / "run")]
    learn = ["tiny", "--rendered", str(folder / "seen"), "--batch", "8", "--rate", "4e-3"]
    assert train.main([*learn, "--steps", str(STEPS // 2), *into]) == 0
    assert torch.load(folder / "run" / "last.pt", weights_only=True)["done"] == STEPS // 2
    assert train.main([*learn, "--steps", str(STEPS), *into]) == 0  # goes on where it was
    weights = ["--weights", str(folder / "run" / "best.pt"), "--rendered", str(folder / "seen")]
    assert export.main(["tiny", *weights, "--version", "1", "--trained", "a test", "--into", str(folder / "out")]) == 0
    return folder


def test_what_was_trained_finds_what_it_has_not_seen(workshop: Path) -> None:
    unseen = data.read_rendered(workshop / "unseen")
    figures = evaluate.rendered(FloatModel("tiny", workshop / "run" / "best.pt"), unseen, least=0.3)
    assert figures["carton"] > 0.6
    assert figures["tyre"] > 0.6


def test_eight_bits_are_within_two_hundredths_of_float(workshop: Path) -> None:
    unseen = data.read_rendered(workshop / "unseen")
    in_float = evaluate.rendered(FloatModel("tiny", workshop / "run" / "best.pt"), unseen, least=0.3)
    eight = evaluate.rendered(Model(listed("tiny", workshop / "out")), unseen, least=0.3)
    for kind in ("carton", "tyre"):
        assert eight[kind] == pytest.approx(in_float[kind], abs=0.02)


def test_the_exported_model_is_listed_with_its_facts(workshop: Path) -> None:
    entry = json.loads((workshop / "out" / "manifest.json").read_text())["models"]["tiny"]
    assert entry["version"] == "1"
    assert entry["trained"] == "a test"
    assert entry["classes"] == list(data.CLASSES)
    assert entry["input_size"] == list(network.SHAPES["tiny"].input_size)


def test_black_and_white_pictures_are_among_those_it_is_calibrated_with(workshop: Path) -> None:
    crops = data.Crops([], data.read_rendered(workshop / "seen"), share_rendered=1)
    pictures = export.calibration(crops, (128, 128), 4)
    assert (pictures[0].max(), pictures[1].min()) == (0, 1)
    assert all(one.shape == (1, 128, 128, 3) for one in pictures)


def test_a_site_adapts_the_model_with_a_few_tapped_frames(workshop: Path, tmp_path: Path) -> None:
    site = draw(tmp_path / "site", 8, 3)
    labels = json.loads((site / "labels.json").read_text())
    (site / "taps.json").write_text(json.dumps(labels))
    start = ["tiny", "--site", str(site), "--start", str(workshop / "run" / "best.pt")]
    result = finetune.main([*start, "--steps", "30", "--version", "site-1", "--into", str(tmp_path / "model")])
    assert result in {0, 1}
    assert Model(listed("tiny", tmp_path / "model")).name == "tiny site-1"


def test_mistakes_are_told_and_not_traced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, arguments in (
        (train, ["tiny", "--rendered", str(tmp_path), "--into", str(tmp_path)]),
        (export, ["tiny", "--weights", str(tmp_path / "no.pt"), "--version", "1"]),
        (evaluate, ["tiny", "--models", str(tmp_path)]),
        (finetune, ["tiny", "--site", str(tmp_path), "--start", "no.pt", "--version", "1", "--into", str(tmp_path)]),
    ):
        with pytest.raises(SystemExit) as left:
            command.main(arguments)
        assert left.value.code == 2
        assert "error:" in capsys.readouterr().err
