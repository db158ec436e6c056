"""What a policy answers, as an action."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from farhand.model.limits import TEXT_LIMIT
from farhand.wire.nextflow.actions import Action, action_of, default_action, failed_action, plain
from farhand.wire.nextflow.observations import observation_of

ASKED = observation_of({"event_id": "e-1", "event_type": "task_start"})
DONE = "Successfully processed TaskObservation"


def test_the_default_answer_to_the_letter() -> None:
    action = default_action("e-1", "task_start")
    assert uuid.UUID(action.action_id).version == 4
    assert plain(action) == {
        "observation_event_id": "e-1",
        "action_id": action.action_id,
        "action_details": "Action for event e-1: Processed event type 'task_start'",
        "success": True,
        "message": "Successfully processed TaskObservation",
    }
    said = action_of(None, ASKED)
    said.action_id = action.action_id
    assert said == action


@pytest.mark.parametrize(
    ("answer", "details", "success", "message"),
    [
        ("retry with 8 GB", "retry with 8 GB", True, DONE),
        ("", "", True, DONE),
        ({}, "", True, DONE),
        ({"action_details": "go"}, "go", True, DONE),
        ({"action_details": None, "success": None}, "", True, DONE),
        ({"success": False}, "", False, ""),
        ({"success": False, "message": "no"}, "", False, "no"),
        (Action(action_details="x", success=True, message="m"), "x", True, "m"),
        (Action(), "", False, ""),
        ("half \ud800", "half ?", True, DONE),
    ],
)
def test_what_answers_mean(answer: Any, details: str, success: bool, message: str) -> None:
    action = action_of(answer, ASKED)
    assert (action.action_details, action.success, action.message) == (details, success, message)
    assert action.observation_event_id == "e-1"
    assert uuid.UUID(action.action_id).version == 4


def test_ids_that_the_policy_gave_stay() -> None:
    given: dict[str, Any] = {"observation_event_id": "o", "action_id": "a"}
    for answer in (given, Action(**given)):
        action = action_of(answer, ASKED)
        assert (action.observation_event_id, action.action_id) == ("o", "a")


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        ({"actions": "x"}, "'actions'"),
        ({1: "x"}, "'1'"),
        ({"success": 1}, "success"),
        ({"success": "true"}, "success"),
        ({"action_details": 1}, "action_details"),
        ({"message": b"x"}, "message"),
        ({"message": "x" * (TEXT_LIMIT + 1)}, "message"),
        (7, "int"),
        (["x"], "list"),
        (ASKED, "TaskObservation"),
    ],
)
def test_what_is_no_answer_names_what_is_wrong(answer: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        action_of(answer, ASKED)


def test_a_failure_is_no_success_and_says_why() -> None:
    action = failed_action("e-1", "\ud800" + "x" * (2 * TEXT_LIMIT))
    assert (action.success, action.observation_event_id) == (False, "e-1")
    assert len(action.message) <= TEXT_LIMIT + 2
