"""`module:attr` or `path/file.py[:attr]` → the App it names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from farhand.errors import FarhandError
from farhand.worker.app import App


class AppNotFound(FarhandError):
    """The reference names no App; the message says what is there instead."""

    code = "APP_NOT_FOUND"
    grpc_status = "NOT_FOUND"
    http_status = 404


def load_app(reference: str) -> App:
    """The App that ``MODULE:ATTR`` or ``FILE.py[:ATTR]`` names; ATTR is `app` by default. The current folder is
    searched too.

    Raises:
        AppNotFound: there is no such module, file or App. What the module itself raises passes through.
    """
    where, _, attribute = reference.partition(":")
    module = load_module(where)
    found = getattr(module, attribute or "app", None)
    if isinstance(found, App):
        return found
    apps = sorted(name for name, value in vars(module).items() if isinstance(value, App))
    if found is not None:
        raise AppNotFound(f"{attribute or 'app'} in {where} is a {type(found).__name__}, not a farhand.App")
    hint = f"it has {', '.join(apps)}: use {where}:{apps[0]}" if apps else "make one with app = farhand.App()"
    raise AppNotFound(f"{where} has no App named {attribute or 'app'!r}; {hint}")


def load_module(where: str) -> ModuleType:
    """The module of this name, or in this file; the current folder is searched too.

    Raises:
        AppNotFound: there is no such module or file. What the module itself raises passes through.
    """
    as_file = where.endswith(".py") or "/" in where
    return _load_file(find_file(where)) if as_file else _load_module(where)


def _load_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise AppNotFound(f"{name!r} is no module's name; name the app as MODULE:APP or FILE.py")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        *parents, last = name.split(".")
        files = sorted(path.stem for path in Path.cwd().joinpath(*parents).glob("*.py"))
        near = [".".join([*parents, one]) for one in get_close_matches(last, files, n=1)]
        hint = f"did you mean {near[0]}?" if near else "name it as MODULE:APP, from the folder it is in, or as FILE.py"
        raise AppNotFound(f"there is no module {error.name!r} here; {hint}") from None


def find_file(name: str) -> Path:
    """The Python file of this name.

    Raises:
        AppNotFound: it isn't there; the message names near matches.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        files = sorted(str(one) for one in path.glob("*.py"))
        hint = f"; did you mean {files[0]}?" if files else ""
        raise AppNotFound(f"{path} is a folder, not a Python file{hint}")
    near = get_close_matches(path.name, [one.name for one in path.parent.glob("*.py")], n=1)
    raise AppNotFound(f"there is no file {path}" + (f"; did you mean {path.parent / near[0]}?" if near else ""))


def _load_file(path: Path) -> ModuleType:
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise AppNotFound(f"{path} can't be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
