import ast
import inspect
from contextlib import suppress
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.codecs import mtconnect
from edge_agent.codecs.errors import FrameError, FrameFault
from edge_agent.codecs.mtconnect import (
    COUNT_LIMIT,
    DEPTH_LIMIT,
    DOCUMENT_LIMIT,
    OBSERVATIONS_LIMIT,
    TEXT_LIMIT,
    Category,
    Refused,
    Streams,
    current,
    parse,
    same_type,
    sample,
)
from tests.world.mtconnect_agent import BOMB, Agent

HEADER = (
    '<Header creationTime="2026-11-23T22:00:00Z" sender="mill" instanceId="1600000000" version="1.7.0.3" '
    'bufferSize="131072" nextSequence="26" firstSequence="1" lastSequence="25"/>'
)
BODY = """
<Streams><DeviceStream name="Mill-1" uuid="M8010N9172N:1.2">
<ComponentStream component="Path" name="path" componentId="p1">
<Samples>
  <PathFeedrate dataItemId="feed" timestamp="2026-11-23T21:59:59.5Z" sequence="20" subType="ACTUAL">12.5</PathFeedrate>
  <Angle dataItemId="a3" timestamp="2026-11-23T21:59:59Z" sequence="21">UNAVAILABLE</Angle>
</Samples>
<Events>
  <Execution dataItemId="exec" timestamp="2026-11-23T21:59:58Z" name="execution" sequence="22">ACTIVE</Execution>
  <x:Wear xmlns:x="urn:example.org:Own:1.0" dataItemId="wear" timestamp="t" sequence="23"> 3 </x:Wear>
  <VariableDataSet dataItemId="set" timestamp="t" sequence="24"><Entry key="a">1</Entry>whole</VariableDataSet>
</Events>
<Condition>
  <Fault type="SYSTEM" dataItemId="sys" timestamp="t" sequence="25" nativeCode="E7">Servo &amp; drive</Fault>
</Condition>
</ComponentStream></DeviceStream></Streams>
"""


def document(body: str = BODY, *, header: str = HEADER, version: str = "1.7", root: str = "Streams") -> bytes:
    name = f"MTConnect{root}"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns:m="urn:mtconnect.org:{name}:{version}" '
        f'xmlns="urn:mtconnect.org:{name}:{version}">{header}{body}</{name}>'
    ).encode()


def parsed(octets: bytes) -> Streams:
    found = parse(octets)
    assert isinstance(found, Streams)
    return found


@pytest.mark.parametrize("version", ["1.2", "1.3", "1.4", "1.8", "2.0", "2.3", "2.10"])
def test_the_answers_of_every_version_are_read_alike(version: str) -> None:
    streams = parsed(document(version=version))
    header = streams.header
    assert (header.instance_id, header.first_sequence, header.last_sequence) == (1_600_000_000, 1, 25)
    assert (header.next_sequence, header.buffer_size, header.created) == (26, 131_072, "2026-11-23T22:00:00Z")
    assert streams.header_raw == HEADER.encode()
    assert [(one.category, one.tag, one.data_item, one.text, one.sequence) for one in streams.observations] == [
        (Category.SAMPLE, "PathFeedrate", "feed", "12.5", 20),
        (Category.SAMPLE, "Angle", "a3", "UNAVAILABLE", 21),
        (Category.EVENT, "Execution", "exec", "ACTIVE", 22),
        (Category.EVENT, "Wear", "wear", "3", 23),
        (Category.EVENT, "VariableDataSet", "set", "whole", 24),
        (Category.CONDITION, "Fault", "sys", "Servo & drive", 25),
    ]
    feed, angle, execution, _, _, fault = streams.observations
    assert (feed.sub_type, feed.timestamp, feed.device) == ("ACTUAL", "2026-11-23T21:59:59.5Z", "M8010N9172N:1.2")
    assert (feed.is_available, angle.is_available, execution.name) == (True, False, "execution")
    assert (fault.type, fault.code) == ("SYSTEM", "E7")
    assert execution.raw == (
        b'<Execution dataItemId="exec" timestamp="2026-11-23T21:59:58Z" name="execution" sequence="22">'
        b"ACTIVE</Execution>"
    )


def test_what_an_agent_says_is_read_as_it_was_said() -> None:
    agent = Agent()
    agent.say("exec", "INTERRUPTED")
    agent.say("system", "Fault", native="A1")
    agent.say("system", "Warning", native="B2")
    status, body = agent.document("/Mill-1/current")
    streams = parsed(body)
    agent._loop.close()
    assert status == 200
    assert [(one.tag, one.text, one.code) for one in streams.observations if one.data_item in {"exec", "system"}] == [
        ("Execution", "INTERRUPTED", ""),
        ("Fault", "", "A1"),
        ("Warning", "", "B2"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "<Errors><Error errorCode=\"OUT_OF_RANGE\">'from' must be\n greater</Error></Errors>",
        "<Error errorCode=\"OUT_OF_RANGE\">'from' must be greater</Error>",
        "<OutOfRange errorCode=\"OUT_OF_RANGE\"><URI/><ErrorMessage>'from' must be greater</ErrorMessage></OutOfRange>",
    ],
)
def test_a_refusal_says_why_in_every_version(body: str) -> None:
    found = parse(document(body, header="<Header/>", root="Error"))
    assert found == Refused(errors=(("OUT_OF_RANGE", "'from' must be greater"),))


MANY = "<E dataItemId='e' sequence='1'/>" * (OBSERVATIONS_LIMIT + 1)


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"", FrameFault.SHORT),
        (b"<html></html>", FrameFault.START),
        (b"not XML", FrameFault.VALUE),
        (document()[:400], FrameFault.SHORT),
        (document() + b"<more/>", FrameFault.VALUE),
        (document(version="3.0"), FrameFault.START),
        (document(root="Devices"), FrameFault.START),
        (document().replace(b"MTConnectStreams:1.7", b"MTConnectError:1.7"), FrameFault.START),
        (document(header=""), FrameFault.VALUE),
        (document(header=HEADER.replace("1600000000", "-1")), FrameFault.VALUE),
        (document(header=HEADER.replace("1600000000", "1" * 30)), FrameFault.VALUE),
        (document(header=HEADER.replace('instanceId="1600000000"', "")), FrameFault.VALUE),
        (document(BODY.replace('sequence="22"', 'sequence="x"')), FrameFault.VALUE),
        (document(BODY.replace('sequence="22"', 'sequence="\u0662"')), FrameFault.VALUE),
        (document("", root="Error"), FrameFault.VALUE),
        (document(BODY.replace("ACTIVE", "&active;")), FrameFault.VALUE),
        (document("<a>" * DEPTH_LIMIT + "</a>" * DEPTH_LIMIT), FrameFault.LIMIT),
        (
            document(f"<Events>{MANY}</Events>"),
            FrameFault.LIMIT,
        ),
        (b" " * (DOCUMENT_LIMIT + 1), FrameFault.LIMIT),
        (document().decode().encode("utf-16"), FrameFault.VALUE),
        (document().replace(b"ACTIVE", b"\xff"), FrameFault.VALUE),
    ],
)
def test_what_is_no_answer_is_refused(octets: bytes, fault: FrameFault) -> None:
    with pytest.raises(FrameError) as wrong:
        parse(octets)
    assert wrong.value.fault is fault


@pytest.mark.parametrize("encoding", ["UTF-8", "utf-16", "latin-1", "no-such-thing", "gb18030"])
def test_an_answer_is_utf_8_whatever_it_declares(encoding: str) -> None:
    octets = document(BODY.replace("ACTIVE", "运行")).replace(b'encoding="UTF-8"', f'encoding="{encoding}"'.encode())
    assert "运行" in [one.text for one in parsed(octets).observations]


@pytest.mark.parametrize(
    "dtd",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]>',
        '<!DOCTYPE a SYSTEM "http://example.org/a.dtd">',
        '<!DOCTYPE a [<!ENTITY % b SYSTEM "file:///etc/passwd"> %b;]>',
        "<!DOCTYPE a>",
    ],
)
def test_no_dtd_is_looked_at(dtd: str) -> None:
    octets = document().replace(b"?>\n", b"?>\n" + dtd.encode())
    with pytest.raises(FrameError) as wrong:
        parse(octets)
    assert wrong.value.fault is FrameFault.CONTROL


def test_a_billion_laughs_are_refused_at_once() -> None:
    began_s = process_time()
    with pytest.raises(FrameError) as wrong:
        parse(BOMB)
    assert wrong.value.fault is FrameFault.CONTROL
    assert process_time() - began_s < 0.5


def test_a_large_answer_is_read_within_moments_and_texts_are_cut() -> None:
    many = "".join(f"<Message dataItemId='m{at}' sequence='{at}'>{'x' * 2000}</Message>" for at in range(1500))
    began_s = process_time()
    streams = parsed(document(BODY.replace("</Events>", many + "</Events>")))
    assert process_time() - began_s < 2
    assert len(streams.observations) == 1506
    assert {len(one.text) for one in streams.observations if one.tag == "Message"} == {TEXT_LIMIT}


def test_a_type_is_written_as_a_tag_in_its_own_way() -> None:
    assert same_type("PathFeedrate", "PATH_FEEDRATE")
    assert same_type("Execution", "EXECUTION")
    assert not same_type("Execution", "EXECUTIONS")


# Only two requests


def test_the_two_requests_are_current_and_sample() -> None:
    assert current() == "/current"
    assert current("agents/1/铣床 1") == "/agents/1/%E9%93%A3%E5%BA%8A%201/current"
    assert sample("/Mill-1/", start=25, count=7) == "/Mill-1/sample?from=25&count=7"


@pytest.mark.parametrize(("start", "count"), [(-1, 1), (1 << 64, 1), (0, 0), (0, COUNT_LIMIT + 1)])
def test_a_sample_is_bounded(start: int, count: int) -> None:
    with pytest.raises(ValueError, match="no sample"):
        sample(start=start, count=count)


@given(device=st.text(max_size=30))
def test_no_name_of_a_device_makes_another_request(device: str) -> None:
    with suppress(ValueError, UnicodeEncodeError):
        target = current(device)
        assert target.startswith("/")
        assert target.endswith("/current")
        assert not set("?#\r\n @") & set(target)
        assert "/../" not in target


def test_the_codec_names_no_method_that_writes() -> None:
    tree = ast.parse(inspect.getsource(mtconnect))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    }
    assert not {text for text in texts if "PUT" in text or "POST" in text or "DELETE" in text}


# Noise


GOOD = document()


@given(octets=st.binary(max_size=300))
def test_random_bytes_are_refused(octets: bytes) -> None:
    with pytest.raises(FrameError):
        parse(octets)


@given(at=st.integers(0, len(GOOD) - 1), octet=st.integers(0, 255), cut=st.integers(0, 40))
def test_a_damaged_answer_is_refused_or_read_and_nothing_else_happens(at: int, octet: int, cut: int) -> None:
    damaged = GOOD[:at] + bytes((octet,)) + GOOD[at + 1 + cut :]
    with suppress(FrameError):
        parse(damaged)


NAMES = st.sampled_from(["Header", "Streams", "DeviceStream", "Samples", "Events", "Condition", "Execution", "Errors"])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["dataItemId", "sequence", "instanceId", "errorCode", "name", "uuid", "nextSequence"]),
    st.sampled_from(["", "1", "x", "99999999999999999999"]),
)
ELEMENTS = st.recursive(
    st.builds("".join, st.lists(st.sampled_from(["ACTIVE", "1.5", " ", "&lt;", "&#0;", "]]>"]), max_size=3)),
    lambda inner: st.builds(
        lambda name, marks, parts: (
            f"<{name} " + " ".join(f'{key}="{value}"' for key, value in marks.items()) + f">{''.join(parts)}</{name}>"
        ),
        NAMES,
        ATTRIBUTES,
        st.lists(inner, max_size=4),
    ),
    max_leaves=25,
)


@given(body=ELEMENTS, root=st.sampled_from(["Streams", "Error"]), has_header=st.booleans())
def test_elements_in_any_disorder_do_no_harm(body: str, root: str, has_header: bool) -> None:  # noqa: FBT001  # hypothesis gives it
    with suppress(FrameError):
        found = parse(document(body, root=root, header=HEADER if has_header else ""))
        assert isinstance(found, Streams | Refused)
