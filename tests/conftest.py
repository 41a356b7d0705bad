"""Local stand-ins for the web, the built book, and the one place that knows whether there is a network."""

import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import trustme
from pytest_httpserver import HTTPServer
from xdist.scheduler import LoadFileScheduling

import helpers.classifiers

ROOT = Path(__file__).parents[1]


class ByFile(LoadFileScheduling):
    """A file stays with one process, since the cells of a notebook belong together; not so test_colab.py."""

    def _split_scope(self, nodeid):
        return nodeid if "test_colab.py" in nodeid else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


@pytest.fixture(scope="session")
def has_network():
    try:
        socket.create_connection(("download.pytorch.org", 443), timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture(autouse=True)
def _skip_without_network(request):
    if request.node.get_closest_marker("network") and not request.getfixturevalue("has_network"):
        pytest.skip("no network: download.pytorch.org does not answer")


@pytest.fixture(autouse=True)
def _skip_without_gpu(request):
    if request.node.get_closest_marker("cuda") and not torch.cuda.is_available():
        pytest.skip("no GPU: torch.cuda.is_available() is False")


@pytest.fixture
def photo_cache(tmp_path, monkeypatch):
    """An empty cache of photos, and no waiting between the attempts of a download."""
    monkeypatch.setenv("SEEING_CNN_CACHE", str(tmp_path / "photos"))
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)
    return tmp_path / "photos"


@pytest.fixture
def https(photo_cache, tmp_path, monkeypatch):
    """A local https server that `requests` trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HTTPServer(host="localhost", ssl_context=context) as server:
        yield server
        server.clear()


@pytest.fixture
def torch_home(tmp_path, monkeypatch):
    """An empty cache of torchvision's weights, and no classifier loaded before."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    helpers.classifiers._load.cache_clear()
    yield tmp_path / "torch" / "hub" / "checkpoints"
    helpers.classifiers._load.cache_clear()


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The book, built from nothing with warnings as errors: the folder of its pages."""
    folder = tmp_path_factory.mktemp("book")
    build = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(ROOT),
        "--path-output",
        str(folder),
    ]
    done = subprocess.run([*build, "-W", "-n", "--keep-going"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"
