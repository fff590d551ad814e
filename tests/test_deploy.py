"""The files in `deploy/` start the service that there is: its options, its paths, its times, its folders."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import RawConfigParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import typer
import yaml

from routerctl.cli import made_app
from routerctl.table import load_table, table_text
from routerctl.testing.emulator import Emulator
from tests.conftest import COMMAND
from tests.service_process import started, until
from tests.service_rig import base_table, changed, table_for

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
OBJECTS = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8"))}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
CONTAINER = POD["containers"][0]


def _unit() -> RawConfigParser:
    unit = RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    unit.optionxform = str  # type: ignore[assignment, method-assign] # the names' letters are as they stand
    unit.read(DEPLOY / "routerctl.service", encoding="utf-8")
    return unit


SERVICE = _unit()["Service"]


def _in_image(instruction: str) -> list[str]:
    """What a JSON instruction of the image says."""
    (found,) = re.findall(rf"^{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words: list[str] = yaml.safe_load(found)
    return words


LINES = {
    "image": [*_in_image("ENTRYPOINT"), *_in_image("CMD")],
    "unit": shlex.split(SERVICE["ExecStart"]),
    "manifest": [*_in_image("ENTRYPOINT"), *CONTAINER["args"]],
}


def options_of(words: list[str]) -> dict[str, Any]:
    """Read a command line as `routerctl serve` does; raises what it raises for one that is wrong."""
    command = typer.main.get_command(made_app(["serve"]))
    serve = getattr(command, "commands", {}).get("serve", command)
    with serve.make_context("serve", words[2:]) as context:
        found: dict[str, Any] = context.params
        return found


@pytest.mark.parametrize("name", LINES)
def test_the_command_is_one_that_serves(name: str) -> None:
    """Each file starts `routerctl serve` with options that it has, asks for keys, and serves port 8080."""
    words = LINES[name]
    assert (Path(words[0]).name, words[1]) == ("routerctl", "serve")
    options = options_of(words)
    assert (options["port"], options["require_keys"], options["drain_s"]) == (8080, True, 120)


def test_requests_have_their_time_to_end() -> None:
    """Whoever ends the service waits longer than requests may take to drain, and than traffic takes to stop coming."""
    assert int(SERVICE["TimeoutStopSec"]) > options_of(LINES["unit"])["drain_s"]
    pause = int(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
    probe = CONTAINER["readinessProbe"]
    assert pause >= probe["periodSeconds"]
    assert POD["terminationGracePeriodSeconds"] > pause + options_of(LINES["manifest"])["drain_s"]


def test_signals_are_those_that_it_knows() -> None:
    """It is ended by SIGTERM, and told of a new table by SIGHUP."""
    assert re.search(r"^STOPSIGNAL SIGTERM$", DOCKERFILE, re.MULTILINE)
    assert SERVICE["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert "KillSignal" not in SERVICE


def test_ports_and_names_agree() -> None:
    """Image, container, probes and Service mean the same port; labels and volumes are found."""
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE) == ["8080"]
    ports = {one["name"]: one["containerPort"] for one in CONTAINER["ports"]}
    assert ports == {"http": options_of(LINES["manifest"])["port"]}
    probes = [CONTAINER[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "readiness", "liveness")]
    assert {*probes, OBJECTS["Service"]["spec"]["ports"][0]["targetPort"]} == {"http"}
    labels = OBJECTS["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert OBJECTS["Service"]["spec"]["selector"] == labels
    assert OBJECTS["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    volumes = {one["name"] for one in POD["volumes"]}
    for container in (CONTAINER, *POD["initContainers"]):
        assert {one["name"] for one in container["volumeMounts"]} <= volumes


def test_a_replica_may_go_while_another_serves() -> None:
    """There are more replicas than must be there, and what they share comes from a Secret."""
    assert OBJECTS["Deployment"]["spec"]["replicas"] > OBJECTS["PodDisruptionBudget"]["spec"]["minAvailable"]
    assert [one["secretRef"]["name"] for one in CONTAINER["envFrom"]] == ["routerctl-state", "routerctl-providers"]


def test_nothing_runs_as_root() -> None:
    """The image's user is the pod's, and neither may become another one."""
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    assert POD["securityContext"]["runAsUser"] == POD["securityContext"]["fsGroup"] == int(user) > 0
    for container in (CONTAINER, *POD["initContainers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert SERVICE["DynamicUser"] == SERVICE["NoNewPrivileges"] == "yes"
    assert SERVICE["ProtectSystem"] == "strict"


def test_the_image_is_made_of_what_there_is() -> None:
    """Files that it copies exist and are in its context, and its extras are the project's."""
    known = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert f"!{name}" in known
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extra in re.findall(r"^ARG EXTRAS=(.*)$", DOCKERFILE, re.MULTILINE)[0].split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say of it, on a machine that has it."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze on this machine")
    unit = tmp_path / "routerctl.service"
    text = (DEPLOY / "routerctl.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/routerctl/bin/routerctl", str(COMMAND)), encoding="utf-8")
    done = subprocess.run([program, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_table_that_is_mounted_is_followed_through_its_link(built: Path, tmp_path: Path) -> None:
    """A ConfigMap as Kubernetes mounts and swaps it, linked into the folder where the probes' service runs.

    What the service writes stands beside the link; its own folder of the table is left as it was.
    """
    mounted, work = tmp_path / "etc", tmp_path / "srv"
    work.mkdir()
    async with Emulator(lambda _body: "I serve.") as far:
        old = table_for(base_table(built), far)
        new = changed(old, table_version=old.table_version + 1, candidates=_harder(old.candidates))
        _mount(mounted, "..one", table_text(old))
        (mounted / "routes.yaml").symlink_to("..data/routes.yaml")
        (work / "routes.yaml").symlink_to(mounted / "routes.yaml")
        # In this machine alone it needs no key: the test is not about keys.
        async with started(work, "--workers", "2") as served, aiohttp.ClientSession() as session:

            async def told(path: str) -> dict[str, Any]:
                async with session.get(served.url + path) as answer:
                    assert answer.status == 200
                    found: dict[str, Any] = await answer.json()
                    return found

            async def is_new() -> bool:
                seen = [(await told(_path("readiness")))["table_digest"] for _ in range(8)]
                return set(seen) == {new.digest}

            async with session.get(served.url + _path("liveness")) as answer:
                assert answer.status == 200
            assert (await told(_path("startup")))["table_digest"] == old.digest
            _mount(mounted, "..two", table_text(new))
            shutil.rmtree(mounted / "..one")
            await until(is_new)
    assert load_table(work / "routes.yaml").digest == new.digest
    assert (work / ".routerctl/decisions.sqlite").exists()
    assert sorted(one.name for one in mounted.rglob("*")) == ["..data", "..two", "routes.yaml", "routes.yaml"]


def _harder(candidates: Any) -> Any:
    return {**candidates, "chat": replace(candidates["chat"], effort="low")}


def _mount(folder: Path, name: str, table: str) -> None:
    """Put a ConfigMap's data into a folder of its own, and have the link that is followed point there at once."""
    (folder / name).mkdir(parents=True)
    (folder / name / "routes.yaml").write_text(table, encoding="utf-8")
    (folder / "..new").symlink_to(name)
    (folder / "..new").replace(folder / "..data")


def _path(kind: str) -> str:
    path: str = CONTAINER[f"{kind}Probe"]["httpGet"]["path"]
    return path


def test_the_image_asks_whether_it_lives() -> None:
    """Its health check asks the path that is the manifest's liveness probe."""
    (code,) = re.findall(r'CMD \["python", "-c", "(.*)"\]$', DOCKERFILE, re.MULTILINE)
    assert f"http://127.0.0.1:8080{_path('liveness')}'" in code
    compile(code, "healthcheck", "exec")
