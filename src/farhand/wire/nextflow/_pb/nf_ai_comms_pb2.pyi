from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class TaskObservation(_message.Message):
    __slots__ = ("event_id", "event_type", "timestamp_iso", "pipeline_name", "process_name", "task_id_num", "task_hash", "task_name", "native_id", "status", "exit_code", "duration_ms", "realtime_ms", "cpu_percent", "peak_rss_bytes", "peak_vmem_bytes", "read_bytes", "write_bytes")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMP_ISO_FIELD_NUMBER: _ClassVar[int]
    PIPELINE_NAME_FIELD_NUMBER: _ClassVar[int]
    PROCESS_NAME_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_NUM_FIELD_NUMBER: _ClassVar[int]
    TASK_HASH_FIELD_NUMBER: _ClassVar[int]
    TASK_NAME_FIELD_NUMBER: _ClassVar[int]
    NATIVE_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    EXIT_CODE_FIELD_NUMBER: _ClassVar[int]
    DURATION_MS_FIELD_NUMBER: _ClassVar[int]
    REALTIME_MS_FIELD_NUMBER: _ClassVar[int]
    CPU_PERCENT_FIELD_NUMBER: _ClassVar[int]
    PEAK_RSS_BYTES_FIELD_NUMBER: _ClassVar[int]
    PEAK_VMEM_BYTES_FIELD_NUMBER: _ClassVar[int]
    READ_BYTES_FIELD_NUMBER: _ClassVar[int]
    WRITE_BYTES_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    event_type: str
    timestamp_iso: str
    pipeline_name: str
    process_name: str
    task_id_num: int
    task_hash: str
    task_name: str
    native_id: str
    status: str
    exit_code: int
    duration_ms: int
    realtime_ms: int
    cpu_percent: str
    peak_rss_bytes: int
    peak_vmem_bytes: int
    read_bytes: int
    write_bytes: int
    def __init__(self, event_id: _Optional[str] = ..., event_type: _Optional[str] = ..., timestamp_iso: _Optional[str] = ..., pipeline_name: _Optional[str] = ..., process_name: _Optional[str] = ..., task_id_num: _Optional[int] = ..., task_hash: _Optional[str] = ..., task_name: _Optional[str] = ..., native_id: _Optional[str] = ..., status: _Optional[str] = ..., exit_code: _Optional[int] = ..., duration_ms: _Optional[int] = ..., realtime_ms: _Optional[int] = ..., cpu_percent: _Optional[str] = ..., peak_rss_bytes: _Optional[int] = ..., peak_vmem_bytes: _Optional[int] = ..., read_bytes: _Optional[int] = ..., write_bytes: _Optional[int] = ...) -> None: ...

class Action(_message.Message):
    __slots__ = ("observation_event_id", "action_id", "action_details", "success", "message")
    OBSERVATION_EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    SUCCESS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    observation_event_id: str
    action_id: str
    action_details: str
    success: bool
    message: str
    def __init__(self, observation_event_id: _Optional[str] = ..., action_id: _Optional[str] = ..., action_details: _Optional[str] = ..., success: bool = ..., message: _Optional[str] = ...) -> None: ...
