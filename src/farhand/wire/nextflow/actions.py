"""Actions: what a policy answers, as the message; and the answer without a policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from farhand.model.limits import TEXT_LIMIT
from farhand.wire.nextflow._pb.nf_ai_comms_pb2 import Action, TaskObservation
from farhand.wire.nextflow.ids import new_id

PROCESSED: Final = "Successfully processed TaskObservation"
_KEYS = {field.name: bool if field.name == "success" else str for field in Action.DESCRIPTOR.fields}


def default_action(event_id: str, event_type: str) -> Action:
    """The answer where there is no policy, or it has nothing to say."""
    return Action(
        observation_event_id=event_id,
        action_id=new_id(),
        action_details=f"Action for event {event_id}: Processed event type '{event_type}'",
        success=True,
        message=PROCESSED,
    )


def failed_action(event_id: str, why: str) -> Action:
    """The answer where a policy could not decide; `why` is cut to what a log can take."""
    text = why.encode(errors="replace").decode()
    return Action(
        observation_event_id=event_id,
        action_id=new_id(),
        success=False,
        message=text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]} …",
    )


def action_of(answer: Any, observation: TaskObservation) -> Action:
    """What a policy answered, as an action.

    Args:
        answer: an Action, of these modules or of the policy's own; a text, which is its details; a mapping of its
            fields, whose `success` is true unless it says otherwise; None for the default answer.
        observation: what was asked. Its id and a new UUID are put in where the answer has none.

    Raises:
        ValueError: it is something else; the message names the key.
    """
    if answer is None:
        return default_action(observation.event_id, observation.event_type)
    if isinstance(answer, str):
        answer = {"action_details": answer}
    if isinstance(answer, Mapping):
        action = Action(**_fields(answer))
    elif isinstance(answer, Action):
        action = Action()
        action.CopyFrom(answer)
    elif getattr(getattr(answer, "DESCRIPTOR", None), "full_name", "") == Action.DESCRIPTOR.full_name:
        action = Action.FromString(answer.SerializeToString())
    else:
        raise ValueError(f"a policy answers an Action, a text, a dict or None, not a {type(answer).__name__}")
    action.observation_event_id = action.observation_event_id or observation.event_id
    action.action_id = action.action_id or new_id()
    return action


def _fields(answer: Mapping[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"success": True, "message": PROCESSED}
    if answer.get("success") is False:
        del found["message"]
    for key, value in answer.items():
        kind = _KEYS.get(key) if isinstance(key, str) else None
        if kind is None:
            raise ValueError(f"an action has no {str(key)[:80]!r}; there are: {', '.join(_KEYS)}")
        if value is None:
            continue
        if not isinstance(value, kind):
            raise ValueError(f"{key} of an action is a {kind.__name__}, not a {type(value).__name__}")
        if isinstance(value, str) and len(value) > TEXT_LIMIT:
            raise ValueError(f"{key} of an action has {len(value):,} characters, and {TEXT_LIMIT:,} may be sent")
        found[key] = value.encode(errors="replace").decode() if isinstance(value, str) else value
    return found


def plain(action: Action) -> dict[str, Any]:
    """An action as JSON has it."""
    return {name: getattr(action, name) for name in _KEYS}


__all__ = ["PROCESSED", "Action", "action_of", "default_action", "failed_action", "plain"]
