"""Local stand-ins for the web, the book in a browser, and the one place that knows of a network."""

import functools
import gzip
import http.server
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import nbformat
import pytest
import torch
import trustme
from playwright.sync_api import sync_playwright
from pytest_httpserver import HTTPServer
from xdist.scheduler import LoadFileScheduling

import helpers.classifiers
from tools import execute

ROOT = Path(__file__).parents[1]


class ByFile(LoadFileScheduling):
    """A file stays with one process, since the cells of a notebook belong together; not so test_colab.py."""

    def _split_scope(self, nodeid):
        return nodeid if "test_colab.py" in nodeid else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


def pytest_runtest_setup():
    """Networks made without weights are the same in each run; a test of many draws brings its own."""
    torch.manual_seed(0)


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


@pytest.fixture(params=execute.CHAPTERS, ids=lambda path: path.stem)
def path(request):
    """Each chapter in turn."""
    return request.param


@pytest.fixture
def notebook(path):
    """The chapter, as it is stored."""
    return nbformat.read(path, as_version=4)


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
    helpers.classifiers._forget()
    yield tmp_path / "torch" / "hub" / "checkpoints"
    helpers.classifiers._forget()


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


class Site(http.server.SimpleHTTPRequestHandler):
    """The book under /book/, compressed as the hosts of such sites do."""

    def log_message(self, *_):
        pass

    def send_head(self):
        path = Path(self.translate_path(self.path.split("?")[0].removeprefix("/book")))
        if not path.is_file():
            path = Path(self.directory, "404.html")
        body = path.read_bytes()
        self.send_response(404 if path.name == "404.html" else 200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        if path.suffix in (".html", ".css", ".js", ".svg"):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def copyfile(self, *_):
        pass


@pytest.fixture(scope="session")
def site(book):
    """The book behind a local web server: its address and its pages."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, directory=book))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    names = [path.relative_to(book).as_posix() for path in sorted(book.rglob("*.html"))]
    names = [name for name in names if not name.startswith("_static") and name != "404.html"]
    yield f"http://127.0.0.1:{server.server_port}/book/", names
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def chromium():
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        installed = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=installed, args=options)
        yield browser
        browser.close()


@pytest.fixture
def opened(site, chromium):
    """Open pages of the book; their faults: script errors, failed requests, requests to other hosts."""
    contexts, faults = [], []

    def open_page(width=1280, theme="light", **more):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", **more
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(f"script error: {error}"))
        page.on("requestfailed", lambda failed: faults.append(f"failed: {failed.url}"))
        page.on(
            "request",
            lambda sent: sent.url.startswith((site[0], "data:", "blob:")) or faults.append(f"to: {sent.url}"),
        )
        page.on(
            "console",
            lambda said: (
                said.type == "error" and faults.append(f"console: {said.text} {said.location['url']}")
            ),
        )
        return page

    yield open_page, faults
    for context in contexts:
        context.close()
