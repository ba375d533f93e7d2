"""The few things of Grafana that the dashboards use, as functions that return its JSON.

What Grafana 11.0 understands; newer ones bring it up to date when they load it. tests/contract/dashboards holds the
result against the schema of Grafana's own types.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

Json = dict[str, Any]

SCHEMA_VERSION: Final = 39
TAG: Final = "bot-exporter"
DATASOURCE: Final[Json] = {"type": "prometheus", "uid": "${datasource}"}
RUNBOOKS: Final = "https://runbooks.example.org/bot-exporter"
COLUMNS: Final = 24


@dataclass(frozen=True, slots=True)
class Query:
    """One question to Prometheus. `now` asks for the end of the time shown only; a table asks like that always."""

    expr: str
    legend: str = ""
    now: bool = False
    table: bool = False

    def json(self, ref: str) -> Json:
        instant = self.now or self.table
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "format": "table" if self.table else "time_series",
            "instant": instant,
            "legendFormat": self.legend,
            "range": not instant,
            "refId": ref,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A question in the title, and what answers it."""

    kind: str
    title: str
    about: str
    queries: tuple[Query, ...]
    nothing: str
    """What is shown when the answer is empty: what that means."""
    unit: str
    width: int
    height: int
    options: Mapping[str, Any]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    step: str = ""
    """The shortest step of the queries."""

    def json(self, number: int, x: int, y: int) -> Json:
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [query.json(chr(ord("A") + place)) for place, query in enumerate(self.queries)],
            "fieldConfig": {
                "defaults": {"noValue": self.nothing, "unit": self.unit, **self.defaults},
                "overrides": list(self.overrides),
            },
            "options": dict(self.options),
            **({"transformations": list(self.transformations)} if self.transformations else {}),
            **({"interval": self.step} if self.step else {}),
        }


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading; they flow from left to right."""

    title: str
    panels: tuple[Panel, ...]


def steps(*colors: tuple[float | None, str]) -> Json:
    """Return thresholds: each colour begins at its value, the first below all others."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in colors]}


def link(title: str, url: str, *, new_tab: bool = False) -> Json:
    return {"title": title, "url": url, "targetBlank": new_tab}


def column(name: str, **properties: Any) -> Json:
    """Return what is special about a field; a dot in the name of a property is written as two underscores."""
    found = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": found}


def colored(words: Mapping[str, str]) -> tuple[Json, ...]:
    """Give series that are named by these words their colours."""
    return tuple(column(word, color={"mode": "fixed", "fixedColor": color}) for word, color in words.items())


def stat(
    title: str,
    about: str,
    *queries: Query,
    nothing: str,
    unit: str = "none",
    thresholds: Json | None = None,
    mappings: Sequence[Json] = (),
    links: Sequence[Json] = (),
    text: str = "auto",
    width: int = 4,
) -> Panel:
    """Return one big value a series: how it is now."""
    return Panel(
        kind="stat",
        title=title,
        about=about,
        queries=tuple(Query(query.expr, query.legend, now=True) for query in queries),
        nothing=nothing,
        unit=unit,
        width=width,
        height=4,
        options={
            "colorMode": "background" if thresholds or mappings else "value",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showPercentChange": False,
            "textMode": text,
            "wideLayout": True,
        },
        defaults={
            "color": {"mode": "thresholds"},
            "thresholds": thresholds or steps((None, "text")),
            **({"mappings": list(mappings)} if mappings else {}),
            **({"links": list(links)} if links else {}),
        },
    )


def graph(
    title: str,
    about: str,
    *queries: Query,
    nothing: str,
    unit: str,
    stacked: bool = False,
    bars: bool = False,
    thresholds: Json | None = None,
    top: float | None = None,
    overrides: Sequence[Json] = (),
    width: int = 12,
) -> Panel:
    """Return curves over time, or bars for events; thresholds become lines."""
    custom = {
        "drawStyle": "bars" if bars else "line",
        "fillOpacity": 60 if bars or stacked else 10,
        "lineInterpolation": "stepAfter" if stacked else "linear",
        "lineWidth": 1,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked or bars else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if thresholds else "off"},
    }
    return Panel(
        kind="timeseries",
        title=title,
        about=about,
        queries=queries,
        nothing=nothing,
        unit=unit,
        width=width,
        height=8,
        options={
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        defaults={
            "color": {"mode": "palette-classic"},
            "custom": custom,
            "min": 0,
            **({"max": top} if top is not None else {}),
            **({"thresholds": thresholds} if thresholds else {}),
        },
        overrides=tuple(overrides),
        # $__rate_interval is at least a minute at a usual scrape interval: with shorter steps an event is in many bars.
        step="1m" if bars else "",
    )


def timeline(
    title: str,
    about: str,
    *queries: Query,
    nothing: str,
    mappings: Sequence[Json],
    links: Sequence[Json] = (),
    height: int = 9,
    width: int = 24,
) -> Panel:
    """Return a band a series, whose colours and words come from mappings."""
    return Panel(
        kind="state-timeline",
        title=title,
        about=about,
        queries=queries,
        nothing=nothing,
        unit="none",
        width=width,
        height=height,
        options={
            "alignValue": "left",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "mergeValues": True,
            "perPage": 20,
            "rowHeight": 0.8,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults={
            "color": {"mode": "thresholds"},
            "custom": {"fillOpacity": 80, "lineWidth": 0},
            "mappings": list(mappings),
            "thresholds": steps((None, "text")),
            **({"links": list(links)} if links else {}),
        },
    )


def bars(
    title: str,
    about: str,
    query: Query,
    *,
    nothing: str,
    unit: str,
    thresholds: Json,
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Return a bar a series, as it is now."""
    return Panel(
        kind="bargauge",
        title=title,
        about=about,
        queries=(Query(query.expr, query.legend, now=True),),
        nothing=nothing,
        unit=unit,
        width=width,
        height=height,
        options={
            "displayMode": "basic",
            "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": False},
            "maxVizHeight": 300,
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "orientation": "horizontal",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "showUnfilled": True,
            "sizing": "auto",
            "valueMode": "color",
        },
        defaults={"color": {"mode": "thresholds"}, "min": 0, "thresholds": thresholds},
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table that comes from a query; its properties are as those of `column`."""

    name: str
    expr: str
    properties: Mapping[str, Any]


def table(
    title: str,
    about: str,
    *columns: Column,
    nothing: str,
    labels: Mapping[str, Mapping[str, Any]],
    hidden: Iterable[str] = (),
    sort: str = "",
    descending: bool = False,
    width: int = 24,
    height: int = 10,
) -> Panel:
    """Return a table with a row for each set of labels, and a column for each query.

    `labels` are the labels that show, in this order, with the properties of their columns; `hidden` ones are there for
    links only. A column without a name does not show: its query is there for its labels.
    """
    several = len(columns) > 1
    places = [f"Value #{chr(ord('A') + place)}" if several else "Value" for place in range(len(columns))]
    order = [*labels, *hidden, *places]
    unseen = ["Time", *(place for place, each in zip(places, columns, strict=True) if not each.name)]
    renamed = {place: each.name for place, each in zip(places, columns, strict=True) if each.name}
    organize: Json = {
        "excludeByName": dict.fromkeys(unseen, True),
        "indexByName": {name: place for place, name in enumerate(order)},
        "renameByName": renamed,
    }
    overrides = [column(name, **properties) for name, properties in labels.items() if properties]
    overrides += [column(name, custom__hidden=True) for name in hidden]
    overrides += [column(each.name, **each.properties) for each in columns if each.name and each.properties]
    return Panel(
        kind="table",
        title=title,
        about=about,
        queries=tuple(Query(each.expr, table=True) for each in columns),
        nothing=nothing,
        unit="none",
        width=width,
        height=height,
        options={
            "cellHeight": "sm",
            "frameIndex": 0,
            "showHeader": True,
            **({"sortBy": [{"displayName": sort, "desc": descending}]} if sort else {}),
        },
        defaults={
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
            "thresholds": steps((None, "text")),
        },
        overrides=tuple(overrides),
        transformations=(
            *([{"id": "merge", "options": {}}] if several else []),
            {"id": "organize", "options": organize},
        ),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable whose values come from a label of the series of a selector."""

    name: str
    selector: str
    several: bool = True

    def json(self) -> Json:
        query = f"label_values({self.selector}, {self.name})"
        return {
            "name": self.name,
            "label": self.name,
            "type": "query",
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": f"variable-{self.name}"},
            "refresh": 2,
            "sort": 1,
            "regex": "",
            "multi": self.several,
            "includeAll": self.several,
            **(
                {"allValue": ".+", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}
                if self.several
                else {}
            ),
        }


def _datasource() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "multi": False,
        "includeAll": False,
    }


def _runbooks() -> Json:
    """Where the pages of docs/runbooks are: a hidden constant, the one place to change."""
    return {
        "name": "runbooks",
        "label": "runbooks",
        "type": "constant",
        "hide": 2,
        "skipUrlSync": True,
        "query": RUNBOOKS,
        "current": {"selected": False, "text": RUNBOOKS, "value": RUNBOOKS},
    }


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, drawn into every graph. `timed`: the values are the times, in milliseconds."""

    name: str
    expr: str
    text: str
    color: str
    timed: bool = True

    def json(self) -> Json:
        return {
            "name": self.name,
            "datasource": DATASOURCE,
            "enable": True,
            "hide": False,
            "expr": self.expr,
            "iconColor": self.color,
            "titleFormat": self.name,
            "textFormat": self.text,
            **({"useValueForTime": "on"} if self.timed else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    about: str
    choices: tuple[Choice, ...]
    marks: tuple[Mark, ...]
    rows: tuple[Row, ...]
    span: str = "now-6h"
    links: tuple[Json, ...] = ()

    def json(self) -> Json:
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": [TAG],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": self.span, "to": "now"},
            "timezone": "browser",
            "annotations": {"list": [mark.json() for mark in self.marks]},
            "links": [_others(), _readme()],
            "templating": {"list": [_datasource(), *(choice.json() for choice in self.choices), _runbooks()]},
            "panels": list(_laid_out(self.rows)),
        }


def _others() -> Json:
    """Return the way to the other dashboards: it takes the time and what was chosen along."""
    return {
        "type": "dashboards",
        "title": "Dashboards of bot-exporter",
        "tooltip": "The same bots and time on another dashboard",
        "icon": "external link",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "url": "",
    }


def _readme() -> Json:
    return {
        "type": "link",
        "title": "Runbooks",
        "tooltip": "What to do about each alert",
        "icon": "doc",
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": True,
        "url": "${runbooks}/README.md",
    }


def _laid_out(rows: Iterable[Row]) -> Iterable[Json]:
    """Place the panels line by line; a line is as high as its highest panel."""
    numbers, y = count(1), 0
    for row in rows:
        yield {
            "id": next(numbers),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        y, x, line = y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                y, x, line = y + line, 0, 0
            yield panel.json(next(numbers), x, y)
            x, line = x + panel.width, max(line, panel.height)
        y += line
