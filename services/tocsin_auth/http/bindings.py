"""Bindings and conditions between the API's words and ours."""

from collections.abc import Sequence

from tocsin_auth.domain.conditions import Condition, checked_labels, checked_window
from tocsin_auth.domain.roles import Binding, checked_binding
from tocsin_auth.http.schemas import BindingModel, ConditionModel, WindowModel


def bindings_of(models: Sequence[BindingModel]) -> list[Binding]:
    """The bindings that a body names.

    Raises:
        Invalid: One could never hold.
    """
    return [
        checked_binding(one.role, one.namespace, one.names, deny=one.deny, when=_condition(one.when) if one.when else None)
        for one in models
    ]


def binding_model(binding: Binding) -> BindingModel:
    """A binding for the API."""
    when = None if binding.when is None else _condition_model(binding.when)
    return BindingModel(role=binding.role, namespace=binding.namespace, names=binding.names, deny=binding.deny, when=when)


def _condition(model: ConditionModel) -> Condition | None:
    if not model.model_fields_set:
        return None
    window = model.window
    return Condition(
        environments=tuple(model.environments),
        labels=checked_labels(model.labels),
        window=None if window is None else checked_window(tuple(window.days), window.start, window.end, window.zone),
        not_before=model.not_before,
        not_after=model.not_after,
    )


def _condition_model(condition: Condition) -> ConditionModel:
    window = condition.window
    return ConditionModel(
        environments=list(condition.environments),
        labels=dict(condition.labels),
        window=None
        if window is None
        else WindowModel(days=list(window.days), start=window.start, end=window.end, zone=window.zone),
        not_before=condition.not_before,
        not_after=condition.not_after,
    )
