"""Renders a kustomization as kustomize does, as far as ours go: any other field is an error.

kustomize itself is in no registry that the tests may count on; where kubectl has it, a test compares the two.
"""

from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

_FIELDS = {"apiVersion", "kind", "namespace", "resources", "configMapGenerator", "generatorOptions"}


def render(folder: Path) -> list[Manifest]:
    """Return every resource of a folder."""
    told = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert (told["apiVersion"], told["kind"]) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
    assert set(told) <= _FIELDS, f"{folder}: nobody has taught this reader {sorted(set(told) - _FIELDS)}"
    found = [each for name in told.get("resources", []) for each in _resources(folder / name)]
    options = told.get("generatorOptions", {})
    assert set(options) <= {"disableNameSuffixHash", "labels"}
    for each in told.get("configMapGenerator", []):
        assert set(each) == {"name", "files"}
        assert options["disableNameSuffixHash"] is True
        found.append(_config_map(folder, each["name"], each["files"], options["labels"]))
    if "namespace" in told:
        for each in found:
            if each["kind"] != "Namespace":
                each["metadata"]["namespace"] = told["namespace"]
    return found


def _resources(path: Path) -> list[Manifest]:
    if path.is_dir():
        return render(path)
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _config_map(folder: Path, name: str, files: list[str], labels: dict[str, str]) -> Manifest:
    for file in files:
        assert (folder / file).resolve().is_relative_to(folder.resolve()), f"kustomize reads nothing outside: {file}"
    data = {Path(file).name: (folder / file).read_text(encoding="utf-8") for file in files}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": dict(labels)}, "data": data}
