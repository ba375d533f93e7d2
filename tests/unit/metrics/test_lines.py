"""How samples are spelled."""

import math

import pytest

from exporter.metrics.lines import PLACE, header, histogram_samples, label, number, samples, shape
from exporter.metrics.negotiation import Format
from exporter.stats import Histogram


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0"),
        (True, "1.0"),
        (False, "0.0"),
        (2**70, "1.1805916207174113e+21"),
        (1.5, "1.5"),
        (1_800_000_000.25, "1800000000.25"),
        (1e-9, "1e-09"),
        (1e300, "1e+300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", 'a=""'),
        ('said "no"', r'a="said \"no\""'),
        ("two\nlines", r'a="two\nlines"'),
        ("back\\slash\\n", r'a="back\\slash\\n"'),
        ("\u2603", 'a="\u2603"'),
        ("half \ud83d", 'a="half ?"'),
    ],
)
def test_label_values_are_escaped(value: str, text: str) -> None:
    assert label("a", value) == text


def test_samples_have_the_labels_that_there_are() -> None:
    assert samples("up", (), [((), 1)]) == "up 1.0\n"
    assert samples("up", ("a",), [(("x",), 1)]) == 'up{a="x"} 1.0\n'
    assert samples("up", (), [((), 1)], 'bot="b"') == 'up{bot="b"} 1.0\n'
    rows = ((("x",), 1), (("y",), 0))
    assert samples("up", ("a",), rows, 'bot="b"') == 'up{bot="b",a="x"} 1.0\nup{bot="b",a="y"} 0.0\n'


def test_a_shape_becomes_the_samples_of_any_bot_and_is_one_object_for_all() -> None:
    rows = ((("x",), 1), (("y",), 0))
    for names, given in ((("a",), ()), (("a",), rows[:1]), (("a",), rows), ((), (((), 7),))):
        written = shape("up", names, given).replace(PLACE.encode(), b'bot="b"')
        assert written == samples("up", names, given, 'bot="b"').encode()
        assert shape("up", names, given) is shape("up", names, given)


def test_histograms_are_cumulative() -> None:
    histogram = Histogram((0.5, 2.0))
    for value in (0.1, 1.0, 1.0, 9.0):
        histogram.observe(value)
    assert histogram_samples("took", 'a="x"', histogram).splitlines() == [
        'took_bucket{a="x",le="0.5"} 1.0',
        'took_bucket{a="x",le="2.0"} 3.0',
        'took_bucket{a="x",le="+Inf"} 4.0',
        'took_count{a="x"} 4.0',
        'took_sum{a="x"} 11.1',
    ]
    assert histogram_samples("took", "", histogram).splitlines()[-3:] == [
        'took_bucket{le="+Inf"} 4.0',
        "took_count 4.0",
        "took_sum 11.1",
    ]


def test_headers_escape_what_their_format_does_not_take() -> None:
    text = 'Says "no"\\\nand goes.'
    assert header("up", text, "gauge", Format.TEXT) == b'# HELP up Says "no"\\\\\\nand goes.\n# TYPE up gauge\n'
    assert header("up", text, "gauge", Format.OPENMETRICS).startswith(b'# HELP up Says \\"no\\"\\\\\\nand')
