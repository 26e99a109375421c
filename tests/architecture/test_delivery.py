"""How PayFlow is delivered: workflows that call our own targets, manifests a cluster would take."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import pytest
import yaml

from payflow.settings import Settings
from temporal.names import TRANSFERS_QUEUE

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MANIFESTS = ROOT / "deploy" / "kubernetes"
KUBERNETES = "1.37"
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
MAKE = re.compile(r"\bmake ([a-z]+)")

Json = dict[str, Any]


def steps_of(workflow: Path) -> list[Json]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def resources() -> list[Json]:
    listed = yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["resources"]
    return [one for name in listed for one in yaml.safe_load_all((MANIFESTS / name).read_text())]


def of_kind(kind: str) -> dict[str, Json]:
    return {one["metadata"]["name"]: one for one in resources() if one["kind"] == kind}


RESOURCES = resources()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_an_action_is_pinned_by_its_commit(workflow: Path) -> None:
    used = [step["uses"] for step in steps_of(workflow) if "uses" in step]

    assert used
    assert not [action for action in used if not PINNED.fullmatch(action)]


def test_a_tag_is_no_pin() -> None:
    assert PINNED.fullmatch("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1")
    assert not PINNED.fullmatch("actions/checkout@v7")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_calls_targets_that_exist(workflow: Path) -> None:
    called = {name for step in steps_of(workflow) for name in MAKE.findall(step.get("run", ""))}

    assert called
    assert called <= targets()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_may_only_read_unless_it_says_so_and_ends(workflow: Path) -> None:
    parsed = yaml.safe_load(workflow.read_text())

    assert parsed["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 90 for job in parsed["jobs"].values())


def test_every_target_of_the_makefile_is_in_the_readme() -> None:
    told = set(re.findall(r"^\| `make ([a-z]+)`", (ROOT / "README.md").read_text(), re.MULTILINE))

    assert told == targets() - {"help"}


@pytest.mark.parametrize(
    "resource", RESOURCES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}"
)
def test_a_cluster_takes_the_manifest(resource: Json) -> None:
    kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_a_cluster_refuses_a_misspelt_one() -> None:
    wrong = {**of_kind("Deployment")["api"], "specs": {}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", ["api", "worker", "relay"])
def test_a_pod_may_do_nothing_it_need_not(name: str) -> None:
    pod = of_kind("Deployment")[name]["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"livenessProbe", "startupProbe"} <= set(container)
    assert container["resources"]["limits"]["memory"]
    # a worker drains for 30 s
    assert pod["terminationGracePeriodSeconds"] > 40
    # a service called PAYFLOW_… would be taken for a setting
    assert pod["enableServiceLinks"] is False


def test_one_of_each_may_be_taken_away_at_a_time() -> None:
    budgets = of_kind("PodDisruptionBudget")

    assert set(budgets) == set(of_kind("Deployment"))
    for name, deployment in of_kind("Deployment").items():
        assert deployment["spec"]["replicas"] > budgets[name]["spec"]["maxUnavailable"]
        selected = budgets[name]["spec"]["selector"]["matchLabels"]
        assert selected == deployment["spec"]["selector"]["matchLabels"]


def test_the_secret_is_mounted_where_settings_look() -> None:
    looked_at = str(Settings.model_fields["secrets_dir"].default)
    for deployment in of_kind("Deployment").values():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert {"name": "secrets", "mountPath": looked_at, "readOnly": True} in container[
            "volumeMounts"
        ]


def test_the_autoscaler_looks_at_the_queue_of_the_transfers() -> None:
    scaled = yaml.safe_load((MANIFESTS / "examples" / "keda-worker.yaml").read_text())["spec"]
    (trigger,) = scaled["triggers"]

    assert scaled["scaleTargetRef"]["name"] in of_kind("Deployment")
    assert trigger["metadata"]["taskQueue"] == TRANSFERS_QUEUE


def notes_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("notes", ROOT / "deploy" / "release_notes.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_notes_of_a_release_are_its_section() -> None:
    changelog = (
        "# Changelog\n\n## [Unreleased]\n\n"
        "## [1.2.0] - 2026-01-31\n\n- New.\n\n## [1.1.0]\n\n- Old.\n"
    )
    notes = notes_program().notes

    assert notes("v1.2.0", changelog, "1.2.0") == "- New.\n"
    assert notes("v1.1.0", changelog, "1.1.0") == "- Old.\n"
    with pytest.raises(ValueError, match="the tag is"):
        notes("v1.1.0", changelog, "1.2.0")
    with pytest.raises(ValueError, match="has no section"):
        notes("v1.3.0", changelog, "1.3.0")
