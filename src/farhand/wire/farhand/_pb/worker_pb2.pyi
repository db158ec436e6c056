from . import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WorkerFrame(_message.Message):
    __slots__ = ("hello", "events", "heartbeat", "goodbye", "rejected", "draining")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    events: JobEvents
    heartbeat: _common_pb2.Heartbeat
    goodbye: _common_pb2.Goodbye
    rejected: _containers.RepeatedScalarFieldContainer[str]
    draining: bool
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., events: _Optional[_Union[JobEvents, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., goodbye: _Optional[_Union[_common_pb2.Goodbye, _Mapping]] = ..., rejected: _Optional[_Iterable[str]] = ..., draining: bool = ...) -> None: ...

class HubFrame(_message.Message):
    __slots__ = ("welcome", "assign", "credit", "cancel", "heartbeat", "draining", "goodbye", "close_session", "adopted", "released", "push")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ASSIGN_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    CLOSE_SESSION_FIELD_NUMBER: _ClassVar[int]
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    PUSH_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    assign: Assignments
    credit: Credits
    cancel: Cancels
    heartbeat: _common_pb2.Heartbeat
    draining: bool
    goodbye: _common_pb2.Goodbye
    close_session: _containers.RepeatedScalarFieldContainer[str]
    adopted: _containers.RepeatedCompositeFieldContainer[Adopted]
    released: _containers.RepeatedScalarFieldContainer[str]
    push: _containers.RepeatedCompositeFieldContainer[_common_pb2.PushOrder]
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., assign: _Optional[_Union[Assignments, _Mapping]] = ..., credit: _Optional[_Union[Credits, _Mapping]] = ..., cancel: _Optional[_Union[Cancels, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., draining: bool = ..., goodbye: _Optional[_Union[_common_pb2.Goodbye, _Mapping]] = ..., close_session: _Optional[_Iterable[str]] = ..., adopted: _Optional[_Iterable[_Union[Adopted, _Mapping]]] = ..., released: _Optional[_Iterable[str]] = ..., push: _Optional[_Iterable[_Union[_common_pb2.PushOrder, _Mapping]]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("protocol", "worker_id", "group", "slots", "labels", "handlers", "version", "host", "pid", "holds", "data")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    HANDLERS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    worker_id: str
    group: str
    slots: int
    labels: _containers.ScalarMap[str, str]
    handlers: _containers.RepeatedCompositeFieldContainer[Handler]
    version: str
    host: str
    pid: int
    holds: _containers.RepeatedCompositeFieldContainer[Hold]
    data: str
    def __init__(self, protocol: _Optional[int] = ..., worker_id: _Optional[str] = ..., group: _Optional[str] = ..., slots: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., handlers: _Optional[_Iterable[_Union[Handler, _Mapping]]] = ..., version: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., holds: _Optional[_Iterable[_Union[Hold, _Mapping]]] = ..., data: _Optional[str] = ...) -> None: ...

class Hold(_message.Message):
    __slots__ = ("job", "timeout_ms", "window", "chunks")
    JOB_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    job: str
    timeout_ms: int
    window: int
    chunks: int
    def __init__(self, job: _Optional[str] = ..., timeout_ms: _Optional[int] = ..., window: _Optional[int] = ..., chunks: _Optional[int] = ...) -> None: ...

class Handler(_message.Message):
    __slots__ = ("name", "doc", "parameters", "result", "streams", "isolate", "timeout", "durable")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STREAMS_FIELD_NUMBER: _ClassVar[int]
    ISOLATE_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    name: str
    doc: str
    parameters: bytes
    result: bytes
    streams: bool
    isolate: str
    timeout: float
    durable: JobDefaults
    def __init__(self, name: _Optional[str] = ..., doc: _Optional[str] = ..., parameters: _Optional[bytes] = ..., result: _Optional[bytes] = ..., streams: bool = ..., isolate: _Optional[str] = ..., timeout: _Optional[float] = ..., durable: _Optional[_Union[JobDefaults, _Mapping]] = ...) -> None: ...

class JobDefaults(_message.Message):
    __slots__ = ("attempts", "backoff", "never", "cache", "cache_ttl", "version", "schedule", "timezone", "missed", "keep", "keep_for", "keep_log")
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    NEVER_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    CACHE_TTL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    KEEP_FOR_FIELD_NUMBER: _ClassVar[int]
    KEEP_LOG_FIELD_NUMBER: _ClassVar[int]
    attempts: int
    backoff: float
    never: _containers.RepeatedScalarFieldContainer[str]
    cache: bool
    cache_ttl: float
    version: str
    schedule: str
    timezone: str
    missed: str
    keep: int
    keep_for: float
    keep_log: int
    def __init__(self, attempts: _Optional[int] = ..., backoff: _Optional[float] = ..., never: _Optional[_Iterable[str]] = ..., cache: bool = ..., cache_ttl: _Optional[float] = ..., version: _Optional[str] = ..., schedule: _Optional[str] = ..., timezone: _Optional[str] = ..., missed: _Optional[str] = ..., keep: _Optional[int] = ..., keep_for: _Optional[float] = ..., keep_log: _Optional[int] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "hub_id", "version", "heartbeat", "lease", "holder", "ref_key")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    HUB_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    HOLDER_FIELD_NUMBER: _ClassVar[int]
    REF_KEY_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    hub_id: str
    version: str
    heartbeat: float
    lease: float
    holder: str
    ref_key: bytes
    def __init__(self, protocol: _Optional[int] = ..., hub_id: _Optional[str] = ..., version: _Optional[str] = ..., heartbeat: _Optional[float] = ..., lease: _Optional[float] = ..., holder: _Optional[str] = ..., ref_key: _Optional[bytes] = ...) -> None: ...

class Adopted(_message.Message):
    __slots__ = ("job", "chunks")
    JOB_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    job: str
    chunks: int
    def __init__(self, job: _Optional[str] = ..., chunks: _Optional[int] = ...) -> None: ...

class Assignments(_message.Message):
    __slots__ = ("job", "handler", "args", "media", "timeout_ms", "window", "extra", "leased")
    JOB_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    job: _containers.RepeatedScalarFieldContainer[str]
    handler: _containers.RepeatedScalarFieldContainer[str]
    args: _containers.RepeatedScalarFieldContainer[bytes]
    media: _containers.RepeatedScalarFieldContainer[_common_pb2.MediaType]
    timeout_ms: _containers.RepeatedScalarFieldContainer[int]
    window: _containers.RepeatedScalarFieldContainer[int]
    extra: _containers.RepeatedCompositeFieldContainer[AssignExtra]
    leased: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job: _Optional[_Iterable[str]] = ..., handler: _Optional[_Iterable[str]] = ..., args: _Optional[_Iterable[bytes]] = ..., media: _Optional[_Iterable[_Union[_common_pb2.MediaType, str]]] = ..., timeout_ms: _Optional[_Iterable[int]] = ..., window: _Optional[_Iterable[int]] = ..., extra: _Optional[_Iterable[_Union[AssignExtra, _Mapping]]] = ..., leased: _Optional[_Iterable[int]] = ...) -> None: ...

class AssignExtra(_message.Message):
    __slots__ = ("at", "session", "session_data", "session_media", "session_moved", "attempt", "inputs")
    AT_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_DATA_FIELD_NUMBER: _ClassVar[int]
    SESSION_MEDIA_FIELD_NUMBER: _ClassVar[int]
    SESSION_MOVED_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    at: int
    session: str
    session_data: bytes
    session_media: _common_pb2.MediaType
    session_moved: bool
    attempt: int
    inputs: _containers.RepeatedCompositeFieldContainer[Input]
    def __init__(self, at: _Optional[int] = ..., session: _Optional[str] = ..., session_data: _Optional[bytes] = ..., session_media: _Optional[_Union[_common_pb2.MediaType, str]] = ..., session_moved: bool = ..., attempt: _Optional[int] = ..., inputs: _Optional[_Iterable[_Union[Input, _Mapping]]] = ...) -> None: ...

class Input(_message.Message):
    __slots__ = ("argument", "values", "chunks")
    ARGUMENT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    argument: str
    values: _containers.RepeatedCompositeFieldContainer[_common_pb2.Payload]
    chunks: bool
    def __init__(self, argument: _Optional[str] = ..., values: _Optional[_Iterable[_Union[_common_pb2.Payload, _Mapping]]] = ..., chunks: bool = ...) -> None: ...

class JobEvents(_message.Message):
    __slots__ = ("job", "kind", "body", "media", "number")
    JOB_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    job: _containers.RepeatedScalarFieldContainer[str]
    kind: _containers.RepeatedScalarFieldContainer[_common_pb2.EventKind]
    body: _containers.RepeatedScalarFieldContainer[bytes]
    media: _containers.RepeatedScalarFieldContainer[_common_pb2.MediaType]
    number: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job: _Optional[_Iterable[str]] = ..., kind: _Optional[_Iterable[_Union[_common_pb2.EventKind, str]]] = ..., body: _Optional[_Iterable[bytes]] = ..., media: _Optional[_Iterable[_Union[_common_pb2.MediaType, str]]] = ..., number: _Optional[_Iterable[int]] = ...) -> None: ...

class Credits(_message.Message):
    __slots__ = ("job", "bytes")
    JOB_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    job: _containers.RepeatedScalarFieldContainer[str]
    bytes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, job: _Optional[_Iterable[str]] = ..., bytes: _Optional[_Iterable[int]] = ...) -> None: ...

class Cancels(_message.Message):
    __slots__ = ("job", "reason")
    JOB_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    job: _containers.RepeatedScalarFieldContainer[str]
    reason: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, job: _Optional[_Iterable[str]] = ..., reason: _Optional[_Iterable[str]] = ...) -> None: ...
