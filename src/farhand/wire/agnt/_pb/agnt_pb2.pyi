from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AgentMessage(_message.Message):
    __slots__ = ("agent_id", "heartbeat", "table_names", "message", "query_result", "worker_id")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    TABLE_NAMES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    QUERY_RESULT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    heartbeat: str
    table_names: TableList
    message: str
    query_result: QueryResult
    worker_id: str
    def __init__(self, agent_id: _Optional[str] = ..., heartbeat: _Optional[str] = ..., table_names: _Optional[_Union[TableList, _Mapping]] = ..., message: _Optional[str] = ..., query_result: _Optional[_Union[QueryResult, _Mapping]] = ..., worker_id: _Optional[str] = ...) -> None: ...

class ServerMessage(_message.Message):
    __slots__ = ("database", "query", "request_id", "tbl_name")
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TBL_NAME_FIELD_NUMBER: _ClassVar[int]
    database: str
    query: str
    request_id: str
    tbl_name: str
    def __init__(self, database: _Optional[str] = ..., query: _Optional[str] = ..., request_id: _Optional[str] = ..., tbl_name: _Optional[str] = ...) -> None: ...

class TableList(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class QueryResult(_message.Message):
    __slots__ = ("json", "request_id", "tbl_meta_data")
    JSON_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TBL_META_DATA_FIELD_NUMBER: _ClassVar[int]
    json: str
    request_id: str
    tbl_meta_data: str
    def __init__(self, json: _Optional[str] = ..., request_id: _Optional[str] = ..., tbl_meta_data: _Optional[str] = ...) -> None: ...

class CommandRequest(_message.Message):
    __slots__ = ("agent_id", "database", "query", "tbl_name")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    DATABASE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    TBL_NAME_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    database: str
    query: str
    tbl_name: str
    def __init__(self, agent_id: _Optional[str] = ..., database: _Optional[str] = ..., query: _Optional[str] = ..., tbl_name: _Optional[str] = ...) -> None: ...

class CommandResponse(_message.Message):
    __slots__ = ("json", "message", "meta_data")
    JSON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    META_DATA_FIELD_NUMBER: _ClassVar[int]
    json: str
    message: str
    meta_data: str
    def __init__(self, json: _Optional[str] = ..., message: _Optional[str] = ..., meta_data: _Optional[str] = ...) -> None: ...
