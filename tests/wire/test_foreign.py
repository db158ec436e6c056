"""Other systems' messages live in pools of their own: a process may hold its own modules of the same packages."""

import subprocess
import sys

import pytest

OWN = """
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

def own():
    file = descriptor_pb2.FileDescriptorProto(name="{package}.proto", package="{package}", syntax="proto3")
    message = file.message_type.add(name="{message}")
    message.field.add(name="mine", number=99, type=9, label=1)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("{package}.{message}"))

def ours():
    from farhand.wire.{room}._pb import {package}_pb2
    return {package}_pb2.{message}

{order}
assert mine is not theirs
assert mine.FromString(mine(mine="x").SerializeToString()).mine == "x"
assert theirs.FromString(theirs({field}="y").SerializeToString()).{field} == "y"
assert "mine" not in theirs.DESCRIPTOR.fields_by_name
"""


@pytest.mark.parametrize("order", ["mine, theirs = own(), ours()", "theirs, mine = ours(), own()"])
@pytest.mark.parametrize(
    ("room", "package", "message", "field"),
    [
        ("nextflow", "nf_ai_comms", "TaskObservation", "event_id"),
        ("snakepit", "snakepit", "ExecuteRequest", "command"),
        ("agnt", "agnt", "CommandRequest", "agent_id"),
    ],
)
def test_a_process_with_its_own_modules_of_the_same_package(
    room: str, package: str, message: str, field: str, order: str
) -> None:
    code = OWN.format(room=room, package=package, message=message, field=field, order=order)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
