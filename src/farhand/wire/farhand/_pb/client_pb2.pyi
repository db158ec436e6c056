from . import common_pb2 as _common_pb2
from . import worker_pb2 as _worker_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RunRequest(_message.Message):
    __slots__ = ("handler", "group", "args", "timeout_ms", "priority", "labels", "session")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    handler: str
    group: str
    args: _common_pb2.Payload
    timeout_ms: int
    priority: int
    labels: _containers.ScalarMap[str, str]
    session: str
    def __init__(self, handler: _Optional[str] = ..., group: _Optional[str] = ..., args: _Optional[_Union[_common_pb2.Payload, _Mapping]] = ..., timeout_ms: _Optional[int] = ..., priority: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., session: _Optional[str] = ...) -> None: ...

class RunResponse(_message.Message):
    __slots__ = ("job_id", "result", "chunks")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    result: _common_pb2.Payload
    chunks: _containers.RepeatedCompositeFieldContainer[_common_pb2.Payload]
    def __init__(self, job_id: _Optional[str] = ..., result: _Optional[_Union[_common_pb2.Payload, _Mapping]] = ..., chunks: _Optional[_Iterable[_Union[_common_pb2.Payload, _Mapping]]] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("job_id", "kind", "payload", "progress", "text", "worker_id", "number", "fault")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    kind: _common_pb2.EventKind
    payload: _common_pb2.Payload
    progress: _common_pb2.Progress
    text: str
    worker_id: str
    number: int
    fault: _common_pb2.Fault
    def __init__(self, job_id: _Optional[str] = ..., kind: _Optional[_Union[_common_pb2.EventKind, str]] = ..., payload: _Optional[_Union[_common_pb2.Payload, _Mapping]] = ..., progress: _Optional[_Union[_common_pb2.Progress, _Mapping]] = ..., text: _Optional[str] = ..., worker_id: _Optional[str] = ..., number: _Optional[int] = ..., fault: _Optional[_Union[_common_pb2.Fault, _Mapping]] = ...) -> None: ...

class CancelRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelResponse(_message.Message):
    __slots__ = ("outcome", "message")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    outcome: str
    message: str
    def __init__(self, outcome: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ClientFrame(_message.Message):
    __slots__ = ("protocol", "calls", "cancel", "credit", "heartbeat", "goodbye", "submit", "follow")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    CREDIT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    SUBMIT_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    calls: Calls
    cancel: _containers.RepeatedScalarFieldContainer[int]
    credit: CallCredits
    heartbeat: _common_pb2.Heartbeat
    goodbye: _common_pb2.Goodbye
    submit: _containers.RepeatedCompositeFieldContainer[ChannelSubmit]
    follow: _containers.RepeatedCompositeFieldContainer[ChannelFollow]
    def __init__(self, protocol: _Optional[int] = ..., calls: _Optional[_Union[Calls, _Mapping]] = ..., cancel: _Optional[_Iterable[int]] = ..., credit: _Optional[_Union[CallCredits, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., goodbye: _Optional[_Union[_common_pb2.Goodbye, _Mapping]] = ..., submit: _Optional[_Iterable[_Union[ChannelSubmit, _Mapping]]] = ..., follow: _Optional[_Iterable[_Union[ChannelFollow, _Mapping]]] = ...) -> None: ...

class ChannelSubmit(_message.Message):
    __slots__ = ("call", "request")
    CALL_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    call: int
    request: SubmitRequest
    def __init__(self, call: _Optional[int] = ..., request: _Optional[_Union[SubmitRequest, _Mapping]] = ...) -> None: ...

class ChannelFollow(_message.Message):
    __slots__ = ("call", "job_id", "window")
    CALL_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    call: int
    job_id: str
    window: int
    def __init__(self, call: _Optional[int] = ..., job_id: _Optional[str] = ..., window: _Optional[int] = ...) -> None: ...

class ChannelFrame(_message.Message):
    __slots__ = ("welcome", "events", "heartbeat", "draining", "goodbye", "submitted", "push")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    SUBMITTED_FIELD_NUMBER: _ClassVar[int]
    PUSH_FIELD_NUMBER: _ClassVar[int]
    welcome: _worker_pb2.Welcome
    events: CallEvents
    heartbeat: _common_pb2.Heartbeat
    draining: bool
    goodbye: _common_pb2.Goodbye
    submitted: _containers.RepeatedCompositeFieldContainer[ChannelSubmitted]
    push: _containers.RepeatedCompositeFieldContainer[_common_pb2.PushOrder]
    def __init__(self, welcome: _Optional[_Union[_worker_pb2.Welcome, _Mapping]] = ..., events: _Optional[_Union[CallEvents, _Mapping]] = ..., heartbeat: _Optional[_Union[_common_pb2.Heartbeat, _Mapping]] = ..., draining: bool = ..., goodbye: _Optional[_Union[_common_pb2.Goodbye, _Mapping]] = ..., submitted: _Optional[_Iterable[_Union[ChannelSubmitted, _Mapping]]] = ..., push: _Optional[_Iterable[_Union[_common_pb2.PushOrder, _Mapping]]] = ...) -> None: ...

class ChannelSubmitted(_message.Message):
    __slots__ = ("call", "job_id", "how")
    CALL_FIELD_NUMBER: _ClassVar[int]
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    call: int
    job_id: str
    how: str
    def __init__(self, call: _Optional[int] = ..., job_id: _Optional[str] = ..., how: _Optional[str] = ...) -> None: ...

class Calls(_message.Message):
    __slots__ = ("call", "handler", "args", "media", "timeout_ms", "window", "events", "extra")
    CALL_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    ARGS_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    call: _containers.RepeatedScalarFieldContainer[int]
    handler: _containers.RepeatedScalarFieldContainer[str]
    args: _containers.RepeatedScalarFieldContainer[bytes]
    media: _containers.RepeatedScalarFieldContainer[_common_pb2.MediaType]
    timeout_ms: _containers.RepeatedScalarFieldContainer[int]
    window: _containers.RepeatedScalarFieldContainer[int]
    events: _containers.RepeatedScalarFieldContainer[bool]
    extra: _containers.RepeatedCompositeFieldContainer[CallExtra]
    def __init__(self, call: _Optional[_Iterable[int]] = ..., handler: _Optional[_Iterable[str]] = ..., args: _Optional[_Iterable[bytes]] = ..., media: _Optional[_Iterable[_Union[_common_pb2.MediaType, str]]] = ..., timeout_ms: _Optional[_Iterable[int]] = ..., window: _Optional[_Iterable[int]] = ..., events: _Optional[_Iterable[bool]] = ..., extra: _Optional[_Iterable[_Union[CallExtra, _Mapping]]] = ...) -> None: ...

class CallExtra(_message.Message):
    __slots__ = ("at", "group", "priority", "labels", "session")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    AT_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    at: int
    group: str
    priority: int
    labels: _containers.ScalarMap[str, str]
    session: str
    def __init__(self, at: _Optional[int] = ..., group: _Optional[str] = ..., priority: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., session: _Optional[str] = ...) -> None: ...

class CallEvents(_message.Message):
    __slots__ = ("call", "kind", "body", "media", "number")
    CALL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    call: _containers.RepeatedScalarFieldContainer[int]
    kind: _containers.RepeatedScalarFieldContainer[_common_pb2.EventKind]
    body: _containers.RepeatedScalarFieldContainer[bytes]
    media: _containers.RepeatedScalarFieldContainer[_common_pb2.MediaType]
    number: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, call: _Optional[_Iterable[int]] = ..., kind: _Optional[_Iterable[_Union[_common_pb2.EventKind, str]]] = ..., body: _Optional[_Iterable[bytes]] = ..., media: _Optional[_Iterable[_Union[_common_pb2.MediaType, str]]] = ..., number: _Optional[_Iterable[int]] = ...) -> None: ...

class CallCredits(_message.Message):
    __slots__ = ("call", "bytes")
    CALL_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    call: _containers.RepeatedScalarFieldContainer[int]
    bytes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, call: _Optional[_Iterable[int]] = ..., bytes: _Optional[_Iterable[int]] = ...) -> None: ...

class OpenSessionRequest(_message.Message):
    __slots__ = ("group", "ttl", "on_loss", "labels", "data")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    ON_LOSS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    group: str
    ttl: float
    on_loss: str
    labels: _containers.ScalarMap[str, str]
    data: _common_pb2.Payload
    def __init__(self, group: _Optional[str] = ..., ttl: _Optional[float] = ..., on_loss: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., data: _Optional[_Union[_common_pb2.Payload, _Mapping]] = ...) -> None: ...

class OpenSessionResponse(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class CloseSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class CloseSessionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListWorkersRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class ListWorkersResponse(_message.Message):
    __slots__ = ("workers",)
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    workers: _containers.RepeatedCompositeFieldContainer[WorkerView]
    def __init__(self, workers: _Optional[_Iterable[_Union[WorkerView, _Mapping]]] = ...) -> None: ...

class WorkerView(_message.Message):
    __slots__ = ("worker", "state", "running", "sessions", "connected_for", "silent_for")
    WORKER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FOR_FIELD_NUMBER: _ClassVar[int]
    SILENT_FOR_FIELD_NUMBER: _ClassVar[int]
    worker: _worker_pb2.Hello
    state: str
    running: int
    sessions: int
    connected_for: float
    silent_for: float
    def __init__(self, worker: _Optional[_Union[_worker_pb2.Hello, _Mapping]] = ..., state: _Optional[str] = ..., running: _Optional[int] = ..., sessions: _Optional[int] = ..., connected_for: _Optional[float] = ..., silent_for: _Optional[float] = ...) -> None: ...

class ListHandlersRequest(_message.Message):
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: str
    def __init__(self, group: _Optional[str] = ...) -> None: ...

class ListHandlersResponse(_message.Message):
    __slots__ = ("handlers",)
    HANDLERS_FIELD_NUMBER: _ClassVar[int]
    handlers: _containers.RepeatedCompositeFieldContainer[HandlerView]
    def __init__(self, handlers: _Optional[_Iterable[_Union[HandlerView, _Mapping]]] = ...) -> None: ...

class HandlerView(_message.Message):
    __slots__ = ("group", "handler", "workers", "slots_free")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FREE_FIELD_NUMBER: _ClassVar[int]
    group: str
    handler: _worker_pb2.Handler
    workers: int
    slots_free: int
    def __init__(self, group: _Optional[str] = ..., handler: _Optional[_Union[_worker_pb2.Handler, _Mapping]] = ..., workers: _Optional[int] = ..., slots_free: _Optional[int] = ...) -> None: ...

class GetHubRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHubResponse(_message.Message):
    __slots__ = ("hub_id", "version", "protocol", "up_for", "draining", "workers", "running", "waiting", "groups")
    HUB_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    UP_FOR_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    hub_id: str
    version: str
    protocol: int
    up_for: float
    draining: bool
    workers: int
    running: int
    waiting: int
    groups: _containers.RepeatedCompositeFieldContainer[GroupView]
    def __init__(self, hub_id: _Optional[str] = ..., version: _Optional[str] = ..., protocol: _Optional[int] = ..., up_for: _Optional[float] = ..., draining: bool = ..., workers: _Optional[int] = ..., running: _Optional[int] = ..., waiting: _Optional[int] = ..., groups: _Optional[_Iterable[_Union[GroupView, _Mapping]]] = ...) -> None: ...

class GroupView(_message.Message):
    __slots__ = ("group", "workers", "running", "waiting", "waiting_for")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    group: str
    workers: int
    running: int
    waiting: int
    waiting_for: float
    def __init__(self, group: _Optional[str] = ..., workers: _Optional[int] = ..., running: _Optional[int] = ..., waiting: _Optional[int] = ..., waiting_for: _Optional[float] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("call", "idempotency_key", "delay", "attempts", "backoff", "backoff_limit", "never", "begin_within", "end_within", "cache_key", "cache_ttl", "after", "inputs", "cache", "args_digest", "cache_failures", "run_at")
    class InputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CALL_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_LIMIT_FIELD_NUMBER: _ClassVar[int]
    NEVER_FIELD_NUMBER: _ClassVar[int]
    BEGIN_WITHIN_FIELD_NUMBER: _ClassVar[int]
    END_WITHIN_FIELD_NUMBER: _ClassVar[int]
    CACHE_KEY_FIELD_NUMBER: _ClassVar[int]
    CACHE_TTL_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    CACHE_FIELD_NUMBER: _ClassVar[int]
    ARGS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CACHE_FAILURES_FIELD_NUMBER: _ClassVar[int]
    RUN_AT_FIELD_NUMBER: _ClassVar[int]
    call: RunRequest
    idempotency_key: str
    delay: float
    attempts: int
    backoff: float
    backoff_limit: float
    never: _containers.RepeatedScalarFieldContainer[str]
    begin_within: float
    end_within: float
    cache_key: str
    cache_ttl: float
    after: _containers.RepeatedScalarFieldContainer[str]
    inputs: _containers.ScalarMap[str, str]
    cache: bool
    args_digest: bytes
    cache_failures: bool
    run_at: float
    def __init__(self, call: _Optional[_Union[RunRequest, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., delay: _Optional[float] = ..., attempts: _Optional[int] = ..., backoff: _Optional[float] = ..., backoff_limit: _Optional[float] = ..., never: _Optional[_Iterable[str]] = ..., begin_within: _Optional[float] = ..., end_within: _Optional[float] = ..., cache_key: _Optional[str] = ..., cache_ttl: _Optional[float] = ..., after: _Optional[_Iterable[str]] = ..., inputs: _Optional[_Mapping[str, str]] = ..., cache: bool = ..., args_digest: _Optional[bytes] = ..., cache_failures: bool = ..., run_at: _Optional[float] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("job", "how")
    JOB_FIELD_NUMBER: _ClassVar[int]
    HOW_FIELD_NUMBER: _ClassVar[int]
    job: JobView
    how: str
    def __init__(self, job: _Optional[_Union[JobView, _Mapping]] = ..., how: _Optional[str] = ...) -> None: ...

class JobView(_message.Message):
    __slots__ = ("job_id", "handler", "group", "state", "attempt", "attempts", "created", "run_at", "ended", "worker_id", "offset", "priority", "labels", "after", "retry_of", "schedule", "last", "inputs", "first")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class InputsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    RUN_AT_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    SCHEDULE_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    handler: str
    group: str
    state: str
    attempt: int
    attempts: int
    created: float
    run_at: float
    ended: float
    worker_id: str
    offset: int
    priority: int
    labels: _containers.ScalarMap[str, str]
    after: _containers.RepeatedScalarFieldContainer[str]
    retry_of: str
    schedule: str
    last: JobEvent
    inputs: _containers.ScalarMap[str, str]
    first: int
    def __init__(self, job_id: _Optional[str] = ..., handler: _Optional[str] = ..., group: _Optional[str] = ..., state: _Optional[str] = ..., attempt: _Optional[int] = ..., attempts: _Optional[int] = ..., created: _Optional[float] = ..., run_at: _Optional[float] = ..., ended: _Optional[float] = ..., worker_id: _Optional[str] = ..., offset: _Optional[int] = ..., priority: _Optional[int] = ..., labels: _Optional[_Mapping[str, str]] = ..., after: _Optional[_Iterable[str]] = ..., retry_of: _Optional[str] = ..., schedule: _Optional[str] = ..., last: _Optional[_Union[JobEvent, _Mapping]] = ..., inputs: _Optional[_Mapping[str, str]] = ..., first: _Optional[int] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobView
    def __init__(self, job: _Optional[_Union[JobView, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("states", "handler", "group", "labels", "before", "limit", "code")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    STATES_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    states: _containers.RepeatedScalarFieldContainer[str]
    handler: str
    group: str
    labels: _containers.ScalarMap[str, str]
    before: str
    limit: int
    code: str
    def __init__(self, states: _Optional[_Iterable[str]] = ..., handler: _Optional[str] = ..., group: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., before: _Optional[str] = ..., limit: _Optional[int] = ..., code: _Optional[str] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[JobView]
    def __init__(self, jobs: _Optional[_Iterable[_Union[JobView, _Mapping]]] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("job_id", "offset")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    offset: int
    def __init__(self, job_id: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ("offset", "at", "event")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    offset: int
    at: float
    event: JobEvent
    def __init__(self, offset: _Optional[int] = ..., at: _Optional[float] = ..., event: _Optional[_Union[JobEvent, _Mapping]] = ...) -> None: ...

class RetryJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class UncacheRequest(_message.Message):
    __slots__ = ("handler", "cache_key", "group", "args_digest")
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    CACHE_KEY_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    ARGS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    handler: str
    cache_key: str
    group: str
    args_digest: bytes
    def __init__(self, handler: _Optional[str] = ..., cache_key: _Optional[str] = ..., group: _Optional[str] = ..., args_digest: _Optional[bytes] = ...) -> None: ...

class UncacheResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class ListSchedulesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSchedulesResponse(_message.Message):
    __slots__ = ("schedules",)
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    schedules: _containers.RepeatedCompositeFieldContainer[ScheduleView]
    def __init__(self, schedules: _Optional[_Iterable[_Union[ScheduleView, _Mapping]]] = ...) -> None: ...

class ScheduleView(_message.Message):
    __slots__ = ("name", "handler", "group", "cron", "timezone", "missed", "next_at", "fired", "last_job")
    NAME_FIELD_NUMBER: _ClassVar[int]
    HANDLER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIMEZONE_FIELD_NUMBER: _ClassVar[int]
    MISSED_FIELD_NUMBER: _ClassVar[int]
    NEXT_AT_FIELD_NUMBER: _ClassVar[int]
    FIRED_FIELD_NUMBER: _ClassVar[int]
    LAST_JOB_FIELD_NUMBER: _ClassVar[int]
    name: str
    handler: str
    group: str
    cron: str
    timezone: str
    missed: str
    next_at: float
    fired: int
    last_job: str
    def __init__(self, name: _Optional[str] = ..., handler: _Optional[str] = ..., group: _Optional[str] = ..., cron: _Optional[str] = ..., timezone: _Optional[str] = ..., missed: _Optional[str] = ..., next_at: _Optional[float] = ..., fired: _Optional[int] = ..., last_job: _Optional[str] = ...) -> None: ...

class DropScheduleRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DropScheduleResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FireScheduleRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class FireScheduleResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: JobView
    def __init__(self, job: _Optional[_Union[JobView, _Mapping]] = ...) -> None: ...
