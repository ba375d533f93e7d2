"""What clients ask for, and what they get."""

import pytest

from exporter.metrics.negotiation import Format, allows_gzip, choose_format

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_3_TEXT_FIRST = "text/plain;version=0.0.4;q=0.4,application/openmetrics-text;version=1.0.0;q=0.3,*/*;q=0.2"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, Format.OPENMETRICS),
        (PROMETHEUS_3, Format.OPENMETRICS),
        (PROMETHEUS_3_PROTOBUF, Format.OPENMETRICS),
        (PROMETHEUS_3_TEXT_FIRST, Format.TEXT),
        (BROWSER, Format.TEXT),
        (None, Format.TEXT),
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/*", Format.TEXT),
        ("application/*", Format.OPENMETRICS),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ('APPLICATION/OpenMetrics-Text ; Version="1.0.0" ; charset=utf-8', Format.OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", Format.TEXT),
        ("application/openmetrics-text;version=abc", Format.TEXT),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Format.TEXT),
        ("text/plain;version=1.0.0,application/openmetrics-text;q=0.1", Format.OPENMETRICS),
        ("text/plain;q=0.5,application/openmetrics-text;q=0.5", Format.TEXT),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.50001", Format.TEXT),
        ("application/openmetrics-text;q=0,*/*", Format.TEXT),
        ("*/*,text/plain;q=0", Format.OPENMETRICS),
        ("*/*;q=0.9,text/plain;q=0.1", Format.OPENMETRICS),
        ("*/*;q=0", Format.TEXT),
        ("image/png", Format.TEXT),
        ("application/openmetrics-text;q=nan", Format.TEXT),
        ("application/openmetrics-text;q=2", Format.TEXT),
        ("application/openmetrics-text;q=", Format.TEXT),
        (";;,,=;q", Format.TEXT),
        ("\x00\xff\u20ac", Format.TEXT),
    ],
)
def test_the_form_that_suits_best_is_chosen(accept: str | None, expected: Format) -> None:
    assert choose_format(accept) is expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("*", True),
        ("identity;q=0.5, gzip", True),
        (None, False),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=much", False),
    ],
)
def test_gzip_is_for_those_who_take_it(accept_encoding: str | None, expected: bool) -> None:
    assert allows_gzip(accept_encoding) is expected
