"""The deployment target ``scrubber``: it refuses a model that the gate does not pass, and hands every other one over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlflow.deployments.base import BaseDeploymentClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, PERMISSION_DENIED

TARGET = "scrubber:"


class ScrubberDeployments(BaseDeploymentClient):  # type: ignore[misc]
    """``scrubber:TARGET`` deploys to TARGET, another plugin's target URI, what passes the gate of the registry.

    The version that was judged is named by its number, so that an alias moved meanwhile changes nothing.
    """

    def create_deployment(
        self, name: str, model_uri: str, flavor: str | None = None, config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> Any:  # fmt: skip
        target = self._target(config)
        proven, rest = _proven(model_uri, config)
        return target.create_deployment(name, proven, flavor, rest, **_given(endpoint))

    def update_deployment(
        self, name: str, model_uri: str | None = None, flavor: str | None = None, config: Mapping[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> Any:  # fmt: skip
        target = self._target(config)
        proven, rest = _proven(model_uri, config)
        return target.update_deployment(name, proven, flavor, rest, **_given(endpoint))

    def delete_deployment(self, name: str, config: Mapping[str, Any] | None = None, endpoint: str | None = None) -> Any:
        return self._target(config).delete_deployment(name, _rest(config), **_given(endpoint))

    def list_deployments(self, endpoint: str | None = None) -> Any:
        return self._target().list_deployments(**_given(endpoint))

    def get_deployment(self, name: str, endpoint: str | None = None) -> Any:
        return self._target().get_deployment(name, **_given(endpoint))

    def predict(self, deployment_name: str | None = None, inputs: Any = None, endpoint: str | None = None) -> Any:
        return self._target().predict(deployment_name, inputs, **_given(endpoint))

    def _target(self, config: Mapping[str, Any] | None = None) -> Any:
        from mlflow.deployments import get_deploy_client

        return get_deploy_client(_named(self.target_uri, config))


def run_local(name: str, model_uri: str, flavor: str | None = None, config: Mapping[str, Any] | None = None) -> Any:
    """Runs a model that passes the gate locally, by the target that ``config["to"]`` names."""
    from mlflow.deployments import run_local as run

    target = _named("scrubber", config)
    proven, rest = _proven(model_uri, config)
    return run(target, name, proven, flavor, rest)


def target_help() -> str:
    return (
        "scrubber:TARGET holds a registered model (models:/NAME/VERSION or models:/NAME@ALIAS) against Scrubber's gate and\n"
        "hands it to TARGET, the target URI of another plugin, only if it passes. What fits no sealed evidence is refused.\n\n"
        "Configuration (-C NAME=VALUE); every other key goes to TARGET:\n"
        "  policy  name of a gate policy, or a TOML file; else the one of the sealed report\n"
        "  to      TARGET, where the target URI is scrubber alone\n\n"
        "SCRUBBER_KEY_FILE names the key that the evidence was sealed with, MLFLOW_TRACKING_URI the registry."
    )


def _named(target_uri: str, config: Mapping[str, Any] | None) -> str:
    inner = target_uri.removeprefix(TARGET).lstrip("/") if target_uri.startswith(TARGET) else ""
    target = inner or str((config or {}).get("to", ""))
    if not target or target.partition(":")[0] == "scrubber":
        raise MlflowException(
            "Scrubber deploys nothing itself: name the target that it shall hand over to, as scrubber:TARGET or -C to=TARGET.",
            error_code=INVALID_PARAMETER_VALUE,
        )
    return target


def _proven(model_uri: str | None, config: Mapping[str, Any] | None) -> tuple[str | None, dict[str, Any]]:
    """The version that passed, by number, and what of the configuration is the target's. Without a model: nothing to prove."""
    from scrubber.core.errors import ScrubberError
    from scrubber.plugins.mlflow.registry import judge

    if model_uri is None:
        return None, _rest(config)
    try:
        judged = judge(model_uri, str((config or {}).get("policy", "")))
    except ScrubberError as error:
        raise MlflowException(
            f"Scrubber has no verdict on {model_uri}: {error}", error_code=PERMISSION_DENIED
        ) from None
    verdict = judged.report.verdict
    if verdict.outcome != "passed":
        reasons = "; ".join(rule.reason for rule in verdict.rules if rule.outcome != "passed") or "no rule was judged"
        raise MlflowException(
            f"Scrubber's gate does not pass {judged.name} version {judged.version}, it is {verdict.outcome}: {reasons}",
            error_code=PERMISSION_DENIED,
        )
    return f"models:/{judged.name}/{judged.version}", _rest(config)


def _rest(config: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (config or {}).items() if key not in ("policy", "to")}


def _given(endpoint: str | None) -> dict[str, Any]:
    """Older targets take no endpoint."""
    return {} if endpoint is None else {"endpoint": endpoint}
