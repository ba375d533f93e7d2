"""deploy/kubernetes: kustomize renders it, the schemas take it, and it says what the image and the alerts say."""

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from exporter.app import load_fleet
from scripts import kubernetes
from tests import dockerfile
from tests.kustomize import Manifest, render

ROOT = Path(__file__).resolve().parents[2]
BASE = ROOT / "deploy" / "kubernetes"
# Resources of the Prometheus operator, which brings their schemas itself; the fields that ours may have.
OPERATOR = {
    "ServiceMonitor": {"selector": {"matchLabels"}, "endpoints": {"port", "path", "interval"}},
    "PrometheusRule": {"groups": {"name", "interval", "rules"}},
}
RULE = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
VERSION = "1.33"


@pytest.fixture(scope="module")
def manifests() -> list[Manifest]:
    return render(BASE)


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    return {(each["kind"], each["metadata"]["name"]): each for each in manifests}


def test_kustomize_agrees_where_it_is(manifests: list[Manifest]) -> None:
    """The tests here look at what a reader of ours renders, because kubectl with a new kustomize is not everywhere."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return
    version = subprocess.run([kubectl, "version", "--client"], capture_output=True, text=True, check=False).stdout
    if "Kustomize Version: v5" in version:
        ended = subprocess.run([kubectl, "kustomize", str(BASE)], capture_output=True, text=True, check=True)
        assert by_name(manifests) == by_name(list(yaml.safe_load_all(ended.stdout)))


def one(manifests: list[Manifest], kind: str) -> Manifest:
    (found,) = (each for each in manifests if each["kind"] == kind)
    return found


def container(manifests: list[Manifest]) -> Manifest:
    (found,) = one(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_schemas_take_everything(manifests: list[Manifest]) -> None:
    for each in manifests:
        if each["kind"] not in OPERATOR:
            kubernetes_validate.validate(each, VERSION, strict=True)
    assert {each["kind"] for each in manifests} == {
        *("Namespace", "ConfigMap", "Service", "PersistentVolumeClaim", "Deployment"),
        *OPERATOR,
    }
    assert {each["metadata"]["namespace"] for each in manifests if each["kind"] != "Namespace"} == {"bots"}


def test_the_schemas_find_mistakes(manifests: list[Manifest]) -> None:
    deployment = one(manifests, "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replicsa": 1}}
    with pytest.raises(kubernetes_validate.ValidationError, match="replicsa"):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_what_the_operator_gets_has_known_fields_only(manifests: list[Manifest]) -> None:
    for kind, fields in OPERATOR.items():
        spec = one(manifests, kind)["spec"]
        assert set(spec) == set(fields)
        for name, known in fields.items():
            for each in spec[name] if isinstance(spec[name], list) else [spec[name]]:
                assert set(each) <= known, (kind, name)
    for group in one(manifests, "PrometheusRule")["spec"]["groups"]:
        assert all(set(rule) <= RULE for rule in group["rules"])


def test_there_is_one_and_never_two(manifests: list[Manifest]) -> None:
    spec = one(manifests, "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert one(manifests, "PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_it_is_what_the_restricted_standard_wants(manifests: list[Manifest]) -> None:
    pod = one(manifests, "Deployment")["spec"]["template"]["spec"]
    ours = container(manifests)["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (ours["allowPrivilegeEscalation"], ours["capabilities"]) == (False, {"drop": ["ALL"]})
    assert ours["readOnlyRootFilesystem"] is True
    assert {key for volume in pod["volumes"] for key in volume} == {
        "name",
        "configMap",
        "secret",
        "persistentVolumeClaim",
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert one(manifests, "Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_it_fits_the_image(manifests: list[Manifest]) -> None:
    final = dockerfile.read(ROOT / "Dockerfile")[-1]
    pod, ours = one(manifests, "Deployment")["spec"]["template"]["spec"], container(manifests)
    context = pod["securityContext"]
    assert final.one("USER").rest == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert final.one("EXPOSE").rest == str(ours["ports"][0]["containerPort"])
    assert "command" not in ours  # the image's own, with our flags behind
    places = {each["name"]: each["mountPath"] for each in ours["volumeMounts"]}
    assert places["data"] == final.one("VOLUME").rest
    assert f"--config.file={places['config']}/config.yaml" in final.one("ENTRYPOINT").arguments()
    assert ours["image"] == f"bot-exporter:{final.all('ARG')[0].rest.partition('=')[2]}"
    minutes = next(re.fullmatch(r"--drain-timeout=(\d+)m", each) for each in ours["args"] if "drain" in each)
    assert minutes is not None
    assert pod["terminationGracePeriodSeconds"] > int(minutes[1]) * 60 + 10


def test_liveness_is_not_readiness(manifests: list[Manifest]) -> None:
    probes = {name: container(manifests)[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {name: each["path"] for name, each in probes.items()} == {
        "startup": "/-/healthy",
        "liveness": "/-/healthy",
        "readiness": "/-/ready",
    }
    assert {each["port"] for each in probes.values()} == {"http"}


def test_the_service_and_the_monitor_find_the_pod(manifests: list[Manifest]) -> None:
    pod = one(manifests, "Deployment")["spec"]["template"]["metadata"]["labels"]
    service, monitor = one(manifests, "Service"), one(manifests, "ServiceMonitor")["spec"]
    assert service["spec"]["selector"].items() <= pod.items()
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert [each["port"] for each in monitor["endpoints"]] == [each["name"] for each in service["spec"]["ports"]]
    assert service["metadata"]["name"] == "bot-exporter"  # becomes the label job, for which the alerts look


def test_the_rules_are_those_of_the_alerts(manifests: list[Manifest]) -> None:
    shipped = [yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["groups"] for name in kubernetes.RULES]
    assert one(manifests, "PrometheusRule")["spec"]["groups"] == [group for groups in shipped for group in groups]


def test_a_stale_manifest_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "alerts").mkdir()
    for name in kubernetes.RULES:
        (tmp_path / name).write_text("groups: []\n", encoding="utf-8")
    assert kubernetes.main(["--check"], root=tmp_path) == 1
    assert "is stale" in capsys.readouterr().err
    assert kubernetes.main([], root=tmp_path) == 0
    assert kubernetes.main(["--check"], root=tmp_path) == 0


def test_every_dashboard_is_a_config_map_that_grafana_finds(manifests: list[Manifest]) -> None:
    maps = [each for each in manifests if each["kind"] == "ConfigMap" and "dashboard" in each["metadata"]["name"]]
    assert all(each["metadata"]["labels"]["grafana_dashboard"] == "1" for each in maps)
    found = {name: text for each in maps for name, text in each["data"].items()}
    assert found == {each.name: each.read_text(encoding="utf-8") for each in (ROOT / "dashboards").glob("*.json")}
    assert all(len(each["data"]) == 1 for each in maps)  # a ConfigMap holds at most 1 MiB


def test_without_the_operator_there_is_the_exporter_alone() -> None:
    kinds = {each["kind"] for each in render(BASE / "exporter")}
    assert kinds == {"ConfigMap", "Service", "PersistentVolumeClaim", "Deployment"}


def test_its_configuration_is_fine() -> None:
    assert len(load_fleet(BASE / "exporter" / "config.yaml").specs) == 4
