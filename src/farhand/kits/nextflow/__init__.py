"""What users of Nextflow's AI actions import: `AiServer`, which answers observations by a policy, and
`send_task_observation`, by which a plugin sends them."""

from __future__ import annotations

from farhand.kits.nextflow.sending import Sent, close_channels, send_task_observation
from farhand.kits.nextflow.server import AiServer
from farhand.wire.nextflow.actions import Action
from farhand.wire.nextflow.observations import TaskObservation

__all__ = ["Action", "AiServer", "Sent", "TaskObservation", "close_channels", "send_task_observation"]
