from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MediaType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEDIA_TYPE_NONE: _ClassVar[MediaType]
    MEDIA_TYPE_JSON: _ClassVar[MediaType]
    MEDIA_TYPE_MSGPACK: _ClassVar[MediaType]
    MEDIA_TYPE_BYTES: _ClassVar[MediaType]
    MEDIA_TYPE_ARROW: _ClassVar[MediaType]
    MEDIA_TYPE_PROTOBUF: _ClassVar[MediaType]
    MEDIA_TYPE_NAMED: _ClassVar[MediaType]
    MEDIA_TYPE_BUNDLE: _ClassVar[MediaType]
    MEDIA_TYPE_OPEN_JSON: _ClassVar[MediaType]
    MEDIA_TYPE_REF: _ClassVar[MediaType]

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_QUEUED: _ClassVar[EventKind]
    EVENT_KIND_STARTED: _ClassVar[EventKind]
    EVENT_KIND_PROGRESS: _ClassVar[EventKind]
    EVENT_KIND_CONSOLE: _ClassVar[EventKind]
    EVENT_KIND_CHUNK: _ClassVar[EventKind]
    EVENT_KIND_SUCCEEDED: _ClassVar[EventKind]
    EVENT_KIND_FAILED: _ClassVar[EventKind]
    EVENT_KIND_CANCELLED: _ClassVar[EventKind]
    EVENT_KIND_EXPIRED: _ClassVar[EventKind]
MEDIA_TYPE_NONE: MediaType
MEDIA_TYPE_JSON: MediaType
MEDIA_TYPE_MSGPACK: MediaType
MEDIA_TYPE_BYTES: MediaType
MEDIA_TYPE_ARROW: MediaType
MEDIA_TYPE_PROTOBUF: MediaType
MEDIA_TYPE_NAMED: MediaType
MEDIA_TYPE_BUNDLE: MediaType
MEDIA_TYPE_OPEN_JSON: MediaType
MEDIA_TYPE_REF: MediaType
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_QUEUED: EventKind
EVENT_KIND_STARTED: EventKind
EVENT_KIND_PROGRESS: EventKind
EVENT_KIND_CONSOLE: EventKind
EVENT_KIND_CHUNK: EventKind
EVENT_KIND_SUCCEEDED: EventKind
EVENT_KIND_FAILED: EventKind
EVENT_KIND_CANCELLED: EventKind
EVENT_KIND_EXPIRED: EventKind

class Payload(_message.Message):
    __slots__ = ("data", "media")
    DATA_FIELD_NUMBER: _ClassVar[int]
    MEDIA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    media: MediaType
    def __init__(self, data: _Optional[bytes] = ..., media: _Optional[_Union[MediaType, str]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("current", "total", "message")
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    current: float
    total: float
    message: str
    def __init__(self, current: _Optional[float] = ..., total: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class Fault(_message.Message):
    __slots__ = ("code", "message", "retryable", "details", "outcome")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retryable: bool
    details: bytes
    outcome: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: bool = ..., details: _Optional[bytes] = ..., outcome: _Optional[str] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("running",)
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    running: int
    def __init__(self, running: _Optional[int] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class PushOrder(_message.Message):
    __slots__ = ("transfer", "id", "offset")
    TRANSFER_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    transfer: str
    id: str
    offset: int
    def __init__(self, transfer: _Optional[str] = ..., id: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...
