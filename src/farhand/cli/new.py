"""new: writes the beginning of a project."""

from __future__ import annotations

import keyword
import re
import shlex
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from string import Template

import typer

from farhand.cli.output import Usage, lines

app = typer.Typer(help="Write the beginning of a project.", no_args_is_help=True)

NAME_MOST = 40
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_RESERVED = frozenset({"service", "test_service", "farhand", "google", "grpc"})
TARGETS = {"gitignore.txt": ".gitignore", "dockerignore.txt": ".dockerignore"}

MODULE = '''"""Compiled from {file}; `make proto` compiles it again."""

from google.protobuf import descriptor_pool
from google.protobuf.internal import builder

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(
    {data!r}
)

builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, {module!r}, globals())
'''


@app.command()
def service(name: str) -> None:
    """Write a service that takes an orchestrator's orders: handlers, proto, tests, Makefile, container."""
    folder = Path(name)
    check_name(name)
    if folder.exists() or folder.is_symlink():
        raise Usage(f"{name} is there already: nothing is written over; choose another name, or remove it")
    folder.mkdir()
    try:
        write(folder, name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    lines(f"{name}/ is written. Next:")
    for line in (f"cd {name}", f"make test{_which()}", f"make run{_which()}"):
        print(f"  {line}")


def check_name(name: str) -> None:
    """
    Raises:
        Usage: it can't be a project's, a module's and a container's name.
    """
    if len(name) > NAME_MOST or not _NAME.fullmatch(name):
        raise Usage(
            f"{name[:60]!r} can't name a service: it takes up to {NAME_MOST} lower-case letters and digits, a letter "
            "first, with single - or _ between them"
        )
    module = module_of(name)
    if keyword.iskeyword(module) or module in _RESERVED or f"{module}_pb2" in sys.stdlib_module_names:
        raise Usage(f"{name!r} can't name a service: Python or the project itself needs the name")


def module_of(name: str) -> str:
    """What its proto's package and module are called."""
    return name.replace("-", "_")


def write(folder: Path, name: str) -> None:
    """Write the project's files into a folder."""
    module = module_of(name)
    words = {"name": name, "module": module, "service": "".join(one.capitalize() for one in module.split("_"))}
    for source in (files("farhand.cli") / "templates" / "service").iterdir():
        if not source.name.endswith(".txt"):
            continue
        target = TARGETS.get(source.name, source.name.removesuffix(".txt").replace("name.proto", f"{module}.proto"))
        (folder / target).write_text(Template(source.read_text("utf-8")).substitute(words), "utf-8")
    (folder / f"{module}_pb2.py").write_text(compiled(module, words["service"]), "utf-8")


def compiled(module: str, service: str) -> str:
    """The module of the project's proto, as protoc would compile it: what it compiled is renamed."""
    from google.protobuf import descriptor_pb2, json_format

    source = (files("farhand.cli") / "templates" / "service" / "descriptor.json").read_text("utf-8")
    file = json_format.Parse(source, descriptor_pb2.FileDescriptorProto())
    file.name, file.package, file.service[0].name = f"{module}.proto", module, service
    for method in file.service[0].method:
        for field in ("input_type", "output_type"):
            setattr(method, field, f".{module}." + getattr(method, field).rpartition(".")[2])
    return MODULE.format(file=file.name, data=file.SerializeToString(deterministic=True), module=f"{module}_pb2")


def _which() -> str:
    """What make must be told where the farhand on the PATH isn't this one."""
    found = shutil.which("farhand")
    here = Path(sys.executable).parent
    if found is not None and Path(found).parent == here:
        return ""
    return f" PYTHON={shlex.quote(sys.executable)}"
