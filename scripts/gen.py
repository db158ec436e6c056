"""Generate src/farhand/wire/*/_pb from proto/, what is compiled of the proto that `farhand new service`
writes, and the modules of the tests' own protos; or with --check say whether what is committed is current.

Runs under grpcio-tools 1.73.1: its output needs protobuf 6.31 or newer, 7.x included; newer generators' output
does not load where another package pins protobuf 6.
"""

from __future__ import annotations

import re
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template

from google.protobuf import descriptor_pb2, json_format
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "proto"
TARGET = ROOT / "src" / "farhand" / "wire" / "farhand" / "_pb"
TEMPLATES = ROOT / "src" / "farhand" / "cli" / "templates" / "service"
HEADER = '"""Generated from proto/farhand/v1 by `make gen`; not to be edited."""\n'
FOREIGN = {"nf_ai_comms": "nextflow", "snakepit": "snakepit", "agnt": "agnt"}
"""The protos of other systems, in proto/foreign, and the room in wire/ that each one's module is for."""
FOREIGN_HEADER = (
    '"""Generated from proto/foreign by `make gen`, in a descriptor pool of its own; not to be edited."""\n'
)
DEFAULT_POOL = "_descriptor_pool.Default()"


def generate() -> dict[str, str]:
    """File name → text of each generated module."""
    names = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("farhand/v1/*.proto"))
    include = str(files("grpc_tools") / "_proto")
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["protoc", f"-I{PROTOS}", f"-I{include}", f"--python_out={folder}", f"--pyi_out={folder}", *names]
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc failed: its messages are above")
        made = Path(folder) / "farhand" / "v1"
        texts = {path.name: _relative(path.read_text()) for path in sorted(made.iterdir())}
    return {"__init__.py": HEADER, **texts}


def _relative(text: str) -> str:
    """The text with its sibling imports made relative, so that the modules live inside the package."""
    return re.sub(r"^from farhand\.v1 import", "from . import", text, flags=re.MULTILINE)


def template() -> str:
    """The descriptor of the proto that `farhand new service` writes, as JSON."""
    text = Template((TEMPLATES / "name.proto.txt").read_text()).substitute(module="demo", service="Demo")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "demo.proto").write_text(text)
        made = Path(folder) / "set"
        if protoc.main(["protoc", f"-I{folder}", f"--descriptor_set_out={made}", "demo.proto"]) != 0:
            raise SystemExit("protoc failed: its messages are above")
        found = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes())
    return json_format.MessageToJson(found.file[0], indent=1) + "\n"


def beside(proto: Path) -> str:
    """The compiled module of a proto of the tests."""
    with tempfile.TemporaryDirectory() as folder:
        if protoc.main(["protoc", f"-I{proto.parent}", f"--python_out={folder}", proto.name]) != 0:
            raise SystemExit("protoc failed: its messages are above")
        return (Path(folder) / f"{proto.stem}_pb2.py").read_text()


def foreign() -> dict[Path, str]:
    """The modules of other systems' protos. Each has a descriptor pool of its own: a process may hold its own modules
    of the same packages, and one pool refuses two definitions of one name."""
    found = {}
    for name, room in FOREIGN.items():
        with tempfile.TemporaryDirectory() as folder:
            arguments = ["protoc", f"-I{PROTOS / 'foreign'}", f"--python_out={folder}", f"--pyi_out={folder}"]
            if protoc.main([*arguments, f"{name}.proto"]) != 0:
                raise SystemExit("protoc failed: its messages are above")
            module, stub = (Path(folder) / f"{name}_pb2{end}" for end in (".py", ".pyi"))
            text = module.read_text()
            if text.count(DEFAULT_POOL) != 1:
                raise SystemExit(f"protoc now writes otherwise which pool {name} is in: look at {DEFAULT_POOL!r} here")
            target = TARGET.parent.parent / room / "_pb"
            found[target / "__init__.py"] = FOREIGN_HEADER
            found[target / module.name] = text.replace(DEFAULT_POOL, "_descriptor_pool.DescriptorPool()")
            found[target / stub.name] = stub.read_text()
    return found


def others() -> dict[Path, str]:
    """What is generated elsewhere."""
    found = {TEMPLATES / "descriptor.json": template(), **foreign()}
    for folder in (ROOT / "tests", ROOT / "examples"):
        for proto in sorted(folder.rglob("*.proto")):
            found[proto.parent / f"{proto.stem}_pb2.py"] = beside(proto)
    return found


def main() -> int:
    """Write, or compare when called with --check; the exit status says whether all is current."""
    texts = generate()
    if "--check" not in sys.argv[1:]:
        TARGET.mkdir(parents=True, exist_ok=True)
        for old in TARGET.iterdir():
            if old.is_file() and old.name not in texts:
                old.unlink()
        for name, text in texts.items():
            (TARGET / name).write_text(text)
        for path, text in others().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return 0
    stale = [
        name for name, text in texts.items() if not (TARGET / name).exists() or (TARGET / name).read_text() != text
    ]
    stale += [path.name for path in TARGET.glob("*.py*") if path.name not in texts]
    stale += [
        str(path.relative_to(ROOT)) for path, text in others().items() if not path.exists() or path.read_text() != text
    ]
    if stale:
        print(f"generated code is not current: {', '.join(stale)}; run `make gen`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
