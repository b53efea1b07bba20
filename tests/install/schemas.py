"""Writes one self-contained JSON Schema for each kind of object that the chart makes: schemas.py WHEEL CRDS OUTPUT.

WHEEL is PyPI's kubernetes-validate, which has the API's definitions of every Kubernetes release in one file each; CRDS is a folder with the
Prometheus Operator's definitions. What no schema knows is refused, as -strict means it.
"""

import json
import pathlib
import sys
import zipfile

RELEASES = ["1.27.0", "1.37.0"]  # the oldest that the chart is for, and the newest
KINDS = {
    "configmap-v1": "core.v1.ConfigMap",
    "deployment-apps-v1": "apps.v1.Deployment",
    "horizontalpodautoscaler-autoscaling-v2": "autoscaling.v2.HorizontalPodAutoscaler",
    "pod-v1": "core.v1.Pod",
    "service-v1": "core.v1.Service",
    "serviceaccount-v1": "core.v1.ServiceAccount",
    "statefulset-apps-v1": "apps.v1.StatefulSet",
    "ingress-networking-v1": "networking.v1.Ingress",
    "networkpolicy-networking-v1": "networking.v1.NetworkPolicy",
    "poddisruptionbudget-policy-v1": "policy.v1.PodDisruptionBudget",
}


def local(node, definitions, wanted):
    """The node with its references made local; wanted collects what they name."""
    if isinstance(node, list):
        return [local(item, definitions, wanted) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: local(value, definitions, wanted) for key, value in node.items() if key not in ("$id", "$schema")}
    if isinstance(node.get("$ref"), str):
        name = node["$ref"].rsplit("/", 1)[1]
        node["$ref"] = "#/$defs/" + name
        if name not in wanted:
            wanted[name] = None
            wanted[name] = local(definitions[name], definitions, wanted)
    return node


def strict(node):
    """A custom resource's schema, closed wherever it names its properties."""
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and node.get("type") == "object":
            node.setdefault("additionalProperties", False)
        for value in node.values():
            strict(value)
    elif isinstance(node, list):
        for item in node:
            strict(item)


def main(wheel, crds, output):
    output = pathlib.Path(output)
    with zipfile.ZipFile(wheel) as package:
        for release in RELEASES:
            folder = f"kubernetes_validate/kubernetes-json-schema/v{release}-local-strict"
            definitions = json.loads(package.read(f"{folder}/_definitions.json"))["$defs"]
            (output / f"v{release}").mkdir(parents=True)
            for name, kind in KINDS.items():
                wanted = {}
                schema = local(definitions[f"io.k8s.api.{kind}"], definitions, wanted)
                schema["$defs"] = wanted
                (output / f"v{release}" / f"{name}.json").write_text(json.dumps(schema))
    (output / "crds").mkdir()
    for plural in ("servicemonitors", "prometheusrules"):
        definition = json.loads((pathlib.Path(crds) / f"{plural}-crd.json").read_text())
        schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["metadata"] = {"type": "object", "additionalProperties": True}
        strict(schema)
        (output / "crds" / f"{plural[:-1]}-monitoring-v1.json").write_text(json.dumps(schema))


main(*sys.argv[1:])
