"""The section `cluster`: one fleet over several processes. Its file may be the same for all of them.

What differs from process to process is made of the instance's name, and that is the host's name by itself: `{instance}`
in an address or in the name of an egress stands for it.
"""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from exporter.described import Section, setting
from exporter.sections import Name, Storage, https_url, valid_name
from exporter.yaml_lines import kind_of

INSTANCE: Final = "{instance}"


def _advertise_url(url: str, info: ValidationInfo) -> str:
    # The name has been judged by itself; it fits where any host name does.
    url = https_url(url.replace(INSTANCE, "x"), info, "https://10.0.0.7:9977", "orders are passed on") and url
    return url.removesuffix("/")


def _ca_file(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be the path of a file, not {kind_of(value)}")
    path = Path(info.context["base_dir"], value) if info.context else Path(value)
    try:
        ssl.create_default_context().load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{path} has no certificates that can be read: {error.strerror or error}") from None
    return path


def _egress(name: str) -> str:
    valid_name(name.replace(INSTANCE, "x"))
    return name


def host_name() -> str:
    """Return the name of this machine, without its domain."""
    return socket.gethostname().partition(".")[0].lower()


class Cluster(Section):
    """Several processes that run one fleet, each bot in one of them."""

    # The order matters: the address is judged by allow_insecure.
    enabled: bool = setting(
        False,
        "`true`: this process is one of several that share the fleet. It needs a PostgreSQL database in `storage.url`, "
        "the same for all",
        example=False,
    )
    allow_insecure: bool = setting(
        False,
        "`true`: `advertise_url` may be `http://` on another machine. Keys then travel in the clear",
        example=False,
    )
    instance: Name | None = setting(
        None,
        "the name of this process; no two that run may have the same. Let it keep its name over restarts",
        values="a [name](#forms)",
        absent="the host's name",
        example="exporter-1",
    )
    advertise_url: Annotated[str, AfterValidator(_advertise_url)] | None = setting(
        None,
        "where the other processes, and Prometheus, reach the web server of this one; `{instance}` in it stands for "
        "the instance's name. `http://` only on loopback or with `allow_insecure`",
        values="scheme, host and port, nothing behind them",
        absent="none; needed with `enabled`",
        example="https://{instance}.example.org:9977",
    )
    ca_file: Annotated[Path | None, BeforeValidator(_ca_file)] = setting(
        None,
        "certificates of the authorities that have signed those of the other processes, in PEM, beside those that the "
        "system trusts; read at the start",
        values="path",
        absent="only those that the system trusts",
        example="tls/ca.crt",
    )
    egress: Annotated[str, AfterValidator(_egress)] = setting(
        "default",
        "a name for the address by which this process goes to the internet. When Steam limits one process, those of "
        "the same egress pause with it. `{instance}`: each its own",
        values="a [name](#forms), or one with `{instance}` in it",
        example="nat-1",
    )

    @property
    def me(self) -> str:
        """The name of this process."""
        return self.instance or host_name()

    @property
    def my_url(self) -> str:
        """Where others reach this process."""
        return (self.advertise_url or "").replace(INSTANCE, self.me)

    @property
    def my_egress(self) -> str:
        """The name of the address by which this process goes out."""
        return self.egress.replace(INSTANCE, self.me)


def contradictions(cluster: Cluster, storage: Storage) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield what keeps a cluster from working, each with its place: what one key alone cannot know."""
    if not cluster.enabled:
        return
    if storage.url is None or urlsplit(storage.url.reveal()).scheme not in ("postgresql", "postgres"):
        yield ("cluster", "enabled"), "needs a PostgreSQL database: give storage.url"
    if cluster.advertise_url is None:
        yield ("cluster", "advertise_url"), "is missing: give the address at which the other processes reach this one"
    try:
        valid_name(cluster.me)
    except ValueError:
        yield ("cluster", "instance"), "is missing, and the host's name is none: give a name"
