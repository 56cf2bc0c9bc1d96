"""Zones in the file, in check and status, and their acceptance: nothing is claimed that no certificate says."""

import argparse
import csv
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from shutil import copyfile
from typing import Any

import cv2
import pytest

from edge_agent.commands import acceptance as command
from edge_agent.commands.acceptance import accept
from edge_agent.commands.stock import as_value, exemplar_side, look_at
from edge_agent.config.load import Config, ConfigurationError, load
from edge_agent.config.settings import settings_of
from edge_agent.eye.opencv.stills import pictures_of, still
from edge_agent.installing.acceptance import ByPerson, Compared, ListError, certificate, read_counts, within
from edge_agent.keeping.certificate import claimed
from edge_agent.keeping.spool import Spool
from evidence.bodies import Acceptance, Configuration
from evidence.exits import Exit
from evidence.keys import SigningKey
from tests.world.box import BOX, Statements, write_config
from tests.world.yard import ZONE, Knows, Yard

POLYGON = [60, 60, 580, 60, 580, 330, 60, 330]


def zone_text(**other: Any) -> str:  # noqa: ANN401
    keys = {"name": '"yard"', "title": '"成品库"', "source": '"./yard.avi"', "polygon": str(POLYGON)} | other
    return "[[zone]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


def configured(directory: Path, **other: Any) -> Config:  # noqa: ANN401
    file = write_config(directory, key=True)
    file.write_text(file.read_text(encoding="utf-8") + zone_text(**other), encoding="utf-8")
    return load(file)


# The file.


def test_a_zone_is_read_with_its_defaults_and_signed_whole(tmp_path: Path) -> None:
    (zone,) = configured(tmp_path).zones
    assert (zone.stream, zone.look_every_ms) == ("zone/yard", 60_000)
    assert (zone.declared, zone.contract_error_permille) == (None, None)
    assert zone.zone == ZONE
    assert settings_of(zone) == {
        "title": "成品库",
        "source": "./yard.avi",
        "polygon_px": POLYGON,
        "look_every_ms": 60_000,
        "items": ["carton", "tyre", "sack", "drum", "roll"],
        "pace": "live",
    }


def test_everything_that_may_be_said_of_a_zone_is_in_its_settings(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        source='"rtsp://root:secret@camera/1"',
        exemplar="[0, 0, 36, 36]",
        items='["drum"]',
        declared_depth=6,
        declared_rows=4,
        contract_error_percent=2.5,
        look_every_s=30,
        pace='"file"',
    )
    settings = settings_of(config.zones[0])
    assert "secret" not in str(settings)
    assert (settings["exemplar_px"], settings["items"], settings["declared"]) == ([0, 0, 36, 36], ["drum"], [6, 4])
    assert (settings["contract_error_permille"], settings["look_every_ms"]) == (25, 30_000)


@pytest.mark.parametrize(
    ("other", "key"),
    [
        ({"polygon": "[0, 0, 9, 9]"}, "polygon"),
        ({"polygon": "[0, 0, 9, 9, 9, 0, 0]"}, "polygon"),
        ({"polygon": "[0, 0, 90, 90, 90, 0, 0, 90]"}, "polygon"),
        ({"exemplar": "[9, 9, 0, 0]"}, "exemplar"),
        ({"items": '["pallet"]'}, "items"),
        ({"declared_depth": "3"}, "declared_rows"),
        ({"contract_error_percent": "0"}, "contract_error_percent"),
        ({"look_every_s": "0.5"}, "look_every_s"),
        ({"name": '"Yard"'}, "name"),
    ],
)
def test_a_zone_that_cannot_be_is_complained_of(tmp_path: Path, other: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        configured(tmp_path, **other)
    assert any(key in complaint.key for complaint in wrong.value.complaints)


def test_a_camera_and_a_zone_may_not_share_a_name(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    gate = '[[camera]]\nname = "yard"\ntitle = "x"\nsource = "/dev/video0"\ngate = [0, 9, 9, 9]\nin_normal = [0, 1]\n'
    file.write_text(file.read_text(encoding="utf-8") + gate + zone_text(), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="yard 2 times"):
        load(file)


# One picture.


def test_a_picture_is_counted_whole_or_in_a_zone(tmp_path: Path) -> None:
    yard = Yard()
    yard.stands = set(range(12))
    cv2.imwrite(str(tmp_path / "yard.png"), yard.picture())
    picture = still(tmp_path / "yard.png")
    finder = Knows(yard)
    assert look_at(finder, picture, None, side=None).count == 12  # type: ignore[arg-type]  # it can be read
    told = as_value(look_at(finder, picture, ZONE, side=36.0))  # type: ignore[arg-type]
    assert (told["count"], len(told["boxes"])) == (12, 12)
    assert 1 <= told["uncertain"] <= 3
    assert told["boxes"][0][4:] == [0.9, "carton"]
    assert pictures_of(tmp_path / "none.png", apart_ms=1, at_most=1).why.startswith("there is no file")  # type: ignore[union-attr]
    assert exemplar_side((10, 10, 0, 0)) == 10
    with pytest.raises(ValueError, match="box"):
        exemplar_side((10, 10, 0))


# What a person counted.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("counts.csv", "picture,count\na.png,3\nb.png,0\n"),
        ("counts.csv", '\ufeffcount,picture,by\n3,a.png,me\n0,"b.png",me\n'),
        ("counts.json", '[{"picture": "a.png", "count": 3}, {"picture": "b.png", "count": 0}]'),
    ],
)
def test_a_list_of_counts_is_read_from_csv_and_json(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_counts(tmp_path / name) == [ByPerson(picture="a.png", count=3), ByPerson(picture="b.png", count=0)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.png,3\n", "columns picture,count"),
        ("picture,count\na.png,three\n", "line 2"),
        ("picture,count\na.png,-3\n", "whole number"),
        ("picture,count\n../a.png,3\n", "does not name a picture"),
        ("picture,count\na.png,3\na.png,4\n", "twice"),
        ("[1]", "entry 1"),
        ("[", "no JSON"),
        ('[{"picture": "a.png", "count": true}]', "whole number"),
    ],
)
def test_a_list_that_cannot_be_read_says_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "counts").write_text(text, encoding="utf-8")
    with pytest.raises(ListError, match=says):
        read_counts(tmp_path / "counts")
    with pytest.raises(ListError, match="cannot be read"):
        read_counts(tmp_path / "nothing")


def test_errors_of_single_pictures_do_not_cancel_each_other() -> None:
    compared = [
        Compared(picture="a", sha256=bytes(32), by_person=10, by_machine=11, uncertain=1),
        Compared(picture="b", sha256=bytes(32), by_person=10, by_machine=9, uncertain=0),
    ]
    made = certificate(compared, limit_permille=99, at_ms=1, detector="d", detector_sha256=b"")
    assert (made.by_person, made.by_machine, made.exact) == (20, 20, 0)
    assert (made.error_permille, made.passed, within(compared)) == (100, False, 1)
    assert Acceptance.from_value(made.to_value()) == made


# The certificate.


def counted_folder(directory: Path, *, off: int = 0) -> tuple[list[ByPerson], Knows]:
    """Twenty pictures of a yard, of which a person counted each, the last ones `off` beside."""
    yard = Yard()
    yard.stands = set(range(10))
    first = directory / "first.png"
    cv2.imwrite(str(first), yard.picture())
    counts = []
    for number in range(20):
        copyfile(first, directory / f"{number}.png")
        counts.append(ByPerson(picture=f"{number}.png", count=10 + off * (number >= 15)))
    return counts, Knows(yard)


def accepted(config: Config, counts: list[ByPerson], finder: Knows, folder: Path, *, dry: bool = False) -> Exit:
    args = argparse.Namespace(folder=folder, counts=folder / "counts.csv", json=True, dry_run=dry)
    return accept(args, config, config.zones[0], counts, finder=finder, limit_permille=25)


def chain(config: Config) -> list[Any]:
    key = SigningKey.load(config.box.signing_key)  # type: ignore[arg-type]  # it has one
    return Statements.of(config.box.spool, key).bodies("zone/yard")


def claim(config: Config, finder: Knows) -> int:
    with closing(Spool(config.box.spool, box=BOX)) as spool:
        return int(claimed(settings_of(config.zones[0]), spool, "zone/yard", finder.sha256)["absolute"])


def test_a_certificate_that_was_passed_lets_absolute_counts_be_claimed_by_these_settings_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configured(tmp_path, contract_error_percent=2.5)
    counts, finder = counted_folder(tmp_path)
    assert accepted(config, counts, finder, tmp_path, dry=True) is Exit.OK
    assert not config.box.spool.exists()
    assert accepted(config, counts, finder, tmp_path) is Exit.OK
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["passed"], told["exact"], told["error_permille"], told["signed"]) == (True, 20, 0, True)
    before, made, after = chain(config)
    assert isinstance(before, Configuration)
    assert isinstance(after, Configuration)
    assert (before.settings["absolute"], after.settings["absolute"]) == (0, 1)
    assert isinstance(made, Acceptance)
    assert (made.passed, made.frames, made.by_person, made.limit_permille) == (True, 20, 200, 25)
    assert claim(config, finder) == 1
    (zone,) = config.zones
    assert claim(replace(config, zones=(replace(zone, title="Yard", look_every_ms=9_000),)), finder) == 1
    assert claim(replace(config, zones=(replace(zone, items=("drum",)),)), finder) == 0, "other settings"
    finder.sha256 = bytes(32)
    assert claim(config, finder) == 0, "another model"


def test_a_failed_acceptance_is_signed_too_and_takes_the_claim_away(tmp_path: Path) -> None:
    config = configured(tmp_path, contract_error_percent=2.5)
    counts, finder = counted_folder(tmp_path)
    assert accepted(config, counts, finder, tmp_path) is Exit.OK
    counts, finder = counted_folder(tmp_path, off=2)
    assert accepted(config, counts, finder, tmp_path) is Exit.WRONG_OUT_THERE
    *_, made, after = chain(config)
    assert (made.passed, made.error_permille, made.exact) == (False, 48, 15)
    assert after.settings["absolute"] == 0, "at once, not when the zone is looked at next"
    assert claim(config, finder) == 0


@pytest.mark.parametrize(
    ("other", "words", "says"),
    [
        ({}, ["--zone", "yard"], "no contract_error_percent"),
        ({"contract_error_percent": 2}, ["--zone", "jard"], 'closest: "yard"'),
        ({"contract_error_percent": 2}, ["--zone", "yard", "--limit", "30"], "laxer"),
        ({"contract_error_percent": 2}, ["--zone", "yard"], "at least 20"),
    ],
)
def test_an_acceptance_that_would_say_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], other: dict[str, Any], words: list[str], says: str
) -> None:
    config = configured(tmp_path, **other)
    with (tmp_path / "counts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["picture", "count"], ["0.png", 3]])
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    typed = ["acceptance", str(tmp_path), "--counts", str(tmp_path / "counts.csv"), "--config", str(config.file)]
    assert command.run(parser.parse_args([*typed, *words])) is Exit.USAGE
    assert says in capsys.readouterr().err
