"""deploy/kubernetes/cluster: several pods with one fleet, each found by its name, and no two gone at once."""

import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml

from exporter.app import load_fleet
from exporter.cluster_section import INSTANCE
from tests import dockerfile
from tests.contract.test_kubernetes import BASE, OPERATOR, ROOT, VERSION, by_name, one
from tests.kustomize import Manifest, render

CLUSTER = BASE / "cluster"


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return render(CLUSTER)


@pytest.fixture(scope="module")
def pod(manifests: list[Manifest]) -> Manifest:
    return dict(one(manifests, "StatefulSet")["spec"]["template"]["spec"])


@pytest.fixture(scope="module")
def container(pod: Manifest) -> Manifest:
    (found,) = pod["containers"]
    return dict(found)


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    return by_name(manifests)[kind, name]


def configuration(manifests: list[Manifest]) -> Any:
    return yaml.safe_load(named(manifests, "ConfigMap", "bot-exporter")["data"]["config.yaml"])


def test_kustomize_agrees_where_it_is(manifests: list[Manifest]) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return
    version = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=False).stdout
    if "Kustomize Version: v5" in version:
        ended = subprocess.run([kubectl, "kustomize", str(CLUSTER)], capture_output=True, text=True, check=True)
        assert by_name(manifests) == by_name(list(yaml.safe_load_all(ended.stdout)))


def test_the_schemas_take_everything(manifests: list[Manifest]) -> None:
    for each in manifests:
        if each["kind"] not in OPERATOR:
            kubernetes_validate.validate(each, VERSION, strict=True)
    assert {each["kind"] for each in manifests} == {
        *("Namespace", "ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget"),
        *OPERATOR,
    }
    assert {each["metadata"]["namespace"] for each in manifests if each["kind"] != "Namespace"} == {"bots"}


def test_the_schemas_find_mistakes(manifests: list[Manifest]) -> None:
    budget = one(manifests, "PodDisruptionBudget")
    with pytest.raises(kubernetes_validate.ValidationError, match="maxUnavailabel"):
        kubernetes_validate.validate({**budget, "spec": {"maxUnavailabel": 1}}, VERSION, strict=True)


def test_a_pod_is_called_by_the_name_that_the_headless_service_gives_it(manifests: list[Manifest]) -> None:
    """The pod's name is its host's name, which is the instance's without a key of its own."""
    stateful = one(manifests, "StatefulSet")
    service = named(manifests, "Service", stateful["spec"]["serviceName"])
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    cluster = configuration(manifests)["cluster"]
    assert "instance" not in cluster
    url = urlsplit(cluster["advertise_url"])
    assert url.hostname == f"{INSTANCE}.{service['metadata']['name']}"
    assert [url.port] == [each["port"] for each in service["spec"]["ports"]]
    pods = {f"{stateful['metadata']['name']}-{number}" for number in range(stateful["spec"]["replicas"])}
    assert {"bot-exporter-0", "bot-exporter-1", "bot-exporter-2"} == pods


def test_two_of_them_are_always_there(manifests: list[Manifest], pod: Manifest) -> None:
    spec = one(manifests, "StatefulSet")["spec"]
    budget = one(manifests, "PodDisruptionBudget")["spec"]
    labels = spec["template"]["metadata"]["labels"]
    assert spec["replicas"] - budget["maxUnavailable"] == 2
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    (spread,) = pod["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"]["matchLabels"].items() <= labels.items()


def test_prometheus_scrapes_each_pod_once(manifests: list[Manifest]) -> None:
    wanted = one(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    services = [each for each in manifests if each["kind"] == "Service"]
    scraped = [each["metadata"]["name"] for each in services if wanted.items() <= each["metadata"]["labels"].items()]
    assert scraped == ["bot-exporter"]  # becomes the label job, for which the alerts look
    assert {each["metadata"]["name"] for each in services} == {"bot-exporter", "bot-exporter-front"}
    labels = one(manifests, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert all(each["spec"]["selector"].items() <= labels.items() for each in services)


def test_the_secrets_are_those_that_the_configuration_needs(
    manifests: list[Manifest], pod: Manifest, container: Manifest
) -> None:
    """The password comes as PostgreSQL's client library wants it: no argument and no file has it."""
    told = configuration(manifests)
    (secret,) = (each["secret"] for each in pod["volumes"] if "secret" in each)
    places = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert [each["key_file"] for each in told["web"]["keys"]] == [f"{places['secrets']}/admin.key"]
    assert "optional" not in secret
    (password,) = container["env"]
    assert password["name"] == "PGPASSWORD"
    assert password["valueFrom"]["secretKeyRef"]["name"] == secret["secretName"]
    database = urlsplit(told["storage"]["url"])
    assert (database.scheme, database.password) == ("postgresql", None)
    assert not any("storage" in each for each in container["args"])


def test_it_is_what_the_restricted_standard_wants_and_fits_the_image(pod: Manifest, container: Manifest) -> None:
    final = dockerfile.read(ROOT / "Dockerfile")[-1]
    context, ours = pod["securityContext"], container["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (ours["allowPrivilegeEscalation"], ours["capabilities"]) == (False, {"drop": ["ALL"]})
    assert ours["readOnlyRootFilesystem"] is True
    assert final.one("USER").rest == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert final.one("EXPOSE").rest == str(container["ports"][0]["containerPort"])
    places = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert places["data"] == final.one("VOLUME").rest
    assert f"--config.file={places['config']}/config.yaml" in final.one("ENTRYPOINT").arguments()
    assert container["image"] == f"bot-exporter:{final.all('ARG')[0].rest.partition('=')[2]}"


def test_liveness_does_not_ask_for_the_database(container: Manifest) -> None:
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert probes == {"startup": "/-/healthy", "liveness": "/-/healthy", "readiness": "/-/ready"}


def test_a_pod_ends_at_once_and_hands_its_bots_over(pod: Manifest, container: Manifest) -> None:
    assert not any(each.startswith("--drain-timeout") for each in container["args"])
    assert pod["terminationGracePeriodSeconds"] >= 20  # all that stopping may take


def test_without_the_operator_there_are_the_pods_alone() -> None:
    kinds = {each["kind"] for each in render(CLUSTER / "exporter")}
    assert kinds == {"ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget"}


def test_its_configuration_is_fine(tmp_path: Path) -> None:
    """With the files of the Secret, which are nowhere but in a pod."""
    text = (CLUSTER / "exporter" / "config.yaml").read_text(encoding="utf-8")
    (tmp_path / "admin.key").write_text("k" * 32, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(text.replace("/run/secrets/bot-exporter/admin.key", "admin.key"))
    fleet = load_fleet(tmp_path / "config.yaml")
    assert fleet.config.cluster.enabled
    assert fleet.config.cluster.my_url == f"http://{fleet.config.cluster.me}.bot-exporter:9977"
    assert len(fleet.specs) == 4
