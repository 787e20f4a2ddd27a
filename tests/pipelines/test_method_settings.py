"""Settings of a method are held against what it has, before a model is loaded."""

from __future__ import annotations

import pytest

from scrubber.core.errors import AskedWrongly
from scrubber.pipelines.unlearn import method_settings


def test_settings_are_those_of_the_method() -> None:
    method, settings = method_settings("prod", {"top_p": 0.5})
    assert method.__name__.endswith(".prod")
    assert (settings.top_p, settings.alpha) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("values", "told"),
    [({"tpo_p": 0.5}, "has no setting tpo_p"), ({"top_p": "much"}, "cannot take its settings top_p")],
)
def test_a_mistyped_setting_is_never_ignored(values: dict[str, object], told: str) -> None:
    with pytest.raises(AskedWrongly, match=told):
        method_settings("prod", values)
