from . import common_pb2 as _common_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RefRequest(_message.Message):
    __slots__ = ("job_id", "seconds")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    seconds: float
    def __init__(self, job_id: _Optional[str] = ..., seconds: _Optional[float] = ...) -> None: ...

class PullRequest(_message.Message):
    __slots__ = ("id", "token", "offset", "taken")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    token: str
    offset: int
    taken: bool
    def __init__(self, id: _Optional[str] = ..., token: _Optional[str] = ..., offset: _Optional[int] = ..., taken: bool = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("offset", "data", "put", "end")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    PUT_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    put: PutRequest
    end: End
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ..., put: _Optional[_Union[PutRequest, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ...) -> None: ...

class End(_message.Message):
    __slots__ = ("size", "checksum")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    size: int
    checksum: bytes
    def __init__(self, size: _Optional[int] = ..., checksum: _Optional[bytes] = ...) -> None: ...

class PutRequest(_message.Message):
    __slots__ = ("job", "id", "token", "format")
    JOB_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    job: str
    id: str
    token: str
    format: str
    def __init__(self, job: _Optional[str] = ..., id: _Optional[str] = ..., token: _Optional[str] = ..., format: _Optional[str] = ...) -> None: ...

class PutAnswer(_message.Message):
    __slots__ = ("ref", "fault")
    REF_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    ref: _common_pb2.Payload
    fault: _common_pb2.Fault
    def __init__(self, ref: _Optional[_Union[_common_pb2.Payload, _Mapping]] = ..., fault: _Optional[_Union[_common_pb2.Fault, _Mapping]] = ...) -> None: ...

class PushResponse(_message.Message):
    __slots__ = ("taken",)
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    taken: bool
    def __init__(self, taken: bool = ...) -> None: ...

class LocateRequest(_message.Message):
    __slots__ = ("id", "token")
    ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    id: str
    token: str
    def __init__(self, id: _Optional[str] = ..., token: _Optional[str] = ...) -> None: ...

class LocateResponse(_message.Message):
    __slots__ = ("address",)
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    address: str
    def __init__(self, address: _Optional[str] = ...) -> None: ...
