"""The labeling server: only the browser that was given the link gets in; nothing tells the right answer beforehand."""

import json
import re

import pytest
from starlette.testclient import TestClient

from striate.errors import ConfigError
from striate.insight.human_study import HumanStudy
from striate.insight.human_study_records import StudyAnswer
from striate.studio.gate import Gate
from striate.studio.label_page import KEYS, build_label_app, open_socket
from tests.insight.study_scenes import color_folders, make_study

PORT = 8123
BASE = f"http://127.0.0.1:{PORT}"
HEADERS = {"origin": BASE, "x-striate": "label", "sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return color_folders(tmp_path_factory.mktemp("data") / "colors")


@pytest.fixture
def study(tmp_path, data):
    return make_study(tmp_path / "study", data, conditions=("clean", "blur=2"), per_class=2)


class Browser:
    """A browser that was given the link, as far as a server can tell."""

    def __init__(self, study, *, participant=None, enters=True):
        self.gate = Gate(PORT)
        self.client = TestClient(build_label_app(study, self.gate, participant=participant), base_url=BASE)
        if enters:
            assert self.client.get(f"/?token={self.gate.token}").status_code == 200

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)

    def post(self, path, body, **headers):
        return self.client.post(path, json=body, headers={**HEADERS, **headers})

    def begin(self, name="p1"):
        return self.post("/begin", {"name": name, "width": 1000, "height": 800, "ratio": 2, "picture": 360})

    def answer(self, position, choice=0, **more):
        return self.post("/answer", {"position": position, "choice": choice, "rt_ms": 512.5, "shown_ms": 200.1, **more})


def test_the_link_lets_one_browser_in_and_is_over_then(study):
    first = Browser(study, enters=False)
    for path in ("/", "/state", "/label.js", "/label.css", "/picture/0", "/?token=", "/?token=wrong"):
        assert first.get(path).status_code == 403, path
    page = first.get(f"/?token={first.gate.token}")
    assert page.status_code == 200
    cookie = page.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert first.gate.token not in cookie
    assert first.get("/state").status_code == 200
    assert first.get("/").status_code == 200  # a reload
    other = TestClient(first.client.app, base_url=BASE)
    answer = other.get(f"/?token={first.gate.token}")
    assert answer.status_code == 403
    assert "start the same command again" in answer.text
    assert other.get("/state", headers={"cookie": f"{first.gate.cookie}=guess"}).status_code == 403


def test_looking_ahead_does_not_use_the_link_up(study):
    browser = Browser(study, enters=False)
    link = f"/?token={browser.gate.token}"
    assert browser.get(link, **{"sec-purpose": "prefetch;prerender"}).status_code == 403
    assert browser.get(link).status_code == 200


def test_two_links_differ():
    assert Gate(1).token != Gate(1).token
    assert len(Gate(1).token) >= 43  # 256 bits
    assert Gate(1).token not in repr(Gate(1))


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1.evil.example:{PORT}", ""]
)
def test_other_hosts_are_refused(study, host):
    """A name that was made to point here (DNS rebinding) brings its own name along."""
    browser = Browser(study)
    assert browser.get("/state", host=host).status_code == 421


@pytest.mark.parametrize("host", [f"127.0.0.1:{PORT}", f"localhost:{PORT}", f"[::1]:{PORT}"])
def test_this_machines_names_are_known(study, host):
    browser = Browser(study, enters=False)
    assert browser.get(f"/?token={browser.gate.token}", host=host).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://localhost:{PORT}"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_changes_of_other_sites_are_refused(study, headers):
    browser = Browser(study)
    assert browser.post("/begin", {"name": "p1"}, **headers).status_code == 403
    assert study.participants() == []


def test_a_form_cannot_change_anything(study):
    browser = Browser(study)
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""):
        sent = browser.client.post("/begin", content=b'{"name": "p1"}', headers={**HEADERS, "content-type": kind})
        assert sent.status_code == 415
    without = {name: value for name, value in HEADERS.items() if name != "x-striate"}
    assert browser.client.post("/begin", json={"name": "p1"}, headers=without).status_code == 403
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"):
        assert browser.client.request(method, "/begin", headers=HEADERS).status_code == 405
    assert study.participants() == []


def test_reading_from_other_sites_is_refused(study):
    browser = Browser(study)
    for path in ("/state", "/label.js", "/picture/0"):
        assert browser.get(path, **{"sec-fetch-site": "cross-site"}).status_code == 403


def test_every_answer_has_strict_headers_and_no_cors(study):
    browser = Browser(study)
    browser.begin()
    for path in ("/", "/state", "/label.js", "/label.css", "/picture/0", "/none"):
        headers = browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not any(name.startswith("access-control") for name in headers)
    assert browser.get("/state", host="evil.example").headers["x-frame-options"] == "DENY"


def test_the_page_fetches_nothing_from_elsewhere(study):
    browser = Browser(study)
    for path in ("/", "/label.js", "/label.css"):
        text = browser.get(path).text
        assert not re.search(r"https?://(?!www\.w3\.org/)", text), path
    page = browser.get("/").text
    assert "<style" not in page
    assert " style=" not in page
    assert re.findall(r"<script[^>]*>(.*?)</script>", page) == [""]


def test_nothing_says_the_right_answer_before_it_is_given(study):
    """Neither names nor ids nor conditions of pictures are sent, and what is right only after an answer of practice."""
    browser = Browser(study)
    told = [browser.get("/state").text, browser.begin().text]
    for position in range(len(study.pictures)):
        headers = browser.get(f"/picture/{position}").headers
        assert set(headers) <= {
            "content-type", "content-length", "cache-control", "content-security-policy", "cross-origin-opener-policy",
            "cross-origin-resource-policy", "referrer-policy", "x-content-type-options", "x-frame-options",
        }  # fmt: skip
        practice = browser.get("/state").json()["trial"]["practice"]
        answer = browser.answer(position, 1)
        assert answer.status_code == 200
        assert ("right" in answer.json()) is practice
        told.append(json.dumps({k: v for k, v in answer.json().items() if k != "right"}))
    for text in told:
        for picture in study.pictures.values():
            assert picture.source not in text
            assert picture.id not in text
        assert "blur" not in text
        for key in ("label", "condition", "correct", "source"):
            assert f'"{key}"' not in text
    assert browser.get("/state").json()["trial"] is None


def test_only_the_next_two_pictures_are_given(study):
    browser = Browser(study)
    assert browser.get("/picture/0").status_code == 404  # nobody has begun
    browser.begin()
    first = browser.get("/picture/0")
    assert first.headers["content-type"] == "image/png"
    assert first.content[:4] == b"\x89PNG"
    assert [browser.get(f"/picture/{i}").status_code for i in (0, 1, 2, 14, 99)] == [200, 200, 404, 404, 404]
    browser.answer(0)
    assert [browser.get(f"/picture/{i}").status_code for i in (0, 1, 2, 3)] == [404, 200, 200, 404]
    assert browser.get("/picture/../study.sqlite").status_code in (403, 404)
    assert browser.get("/picture/-1").status_code == 404


def test_an_answer_is_saved_at_once_with_its_times(study):
    browser = Browser(study)
    browser.begin()
    assert browser.answer(0, 2, interrupted=True).status_code == 200
    (saved,) = HumanStudy(study.folder).answers(practice=True)
    assert (saved.participant, saved.choice, saved.rt_ms, saved.shown_ms) == ("p1", 2, 512.5, 200.1)
    assert saved.interrupted
    assert study.participant("p1").facts["screen"] == {"width": 1000, "height": 800, "ratio": 2, "picture": 360}


def test_a_second_answer_changes_nothing_and_tells_how_to_go_on(study):
    browser = Browser(study)
    browser.begin()
    browser.answer(0, 1)
    again = browser.answer(0, 2)
    assert again.status_code == 409
    assert again.json()["trial"]["position"] == 1
    assert browser.answer(5, 2).status_code == 409  # out of turn
    assert [one.choice for one in study.answers(practice=True)] == [1]


def test_another_session_goes_on_at_the_same_place(study):
    first = Browser(study)
    first.begin()
    for position in range(5):
        first.answer(position)
    second = Browser(study)
    assert second.get("/state").json()["trial"] is None
    trial = second.begin().json()["trial"]
    assert (trial["position"], trial["practice"], trial["done"], trial["total"]) == (5, False, 2, 12)
    assert first.answer(5).status_code == 200
    assert second.answer(5).status_code == 409  # the other one was faster


def test_people_come_one_after_the_other(study):
    browser = Browser(study)
    browser.begin("p1")
    browser.answer(0)
    assert browser.post("/leave", {}).json()["participant"] is None
    assert browser.answer(1).status_code == 409
    assert browser.begin("p2").json()["trial"]["position"] == 0
    assert [one.name for one in study.participants()] == ["p1", "p2"]
    fixed = Browser(study, participant="p3")
    assert fixed.get("/state").json()["fixed"] == "p3"
    assert fixed.begin("p4").status_code == 400
    assert fixed.begin("p3").status_code == 200


def test_names_that_cannot_be_are_told(study):
    study.add("net", [StudyAnswer("net", study.tested[0].id, 0)], kind="network", facts={})
    browser = Browser(study)
    assert "1 to 64 printable letters" in browser.begin("").json()["error"]
    assert "'net' is a network" in browser.begin("net").json()["error"]
    name = '<img src=x onerror="alert(1)">'
    assert browser.begin(name).json()["participant"] == name  # it is text in JSON, and the page sets text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"null", b"{", b"[" * 3000, b"{}", b'{"position": 0}', b'{"position": "0", "choice": 0}',
        b'{"position": 0, "choice": 3}', b'{"position": 0, "choice": -1}', b'{"position": 0, "choice": true}',
        b'{"position": 0, "choice": 1.0}', b'{"position": 0, "choice": 1, "rt_ms": -1}',
        b'{"position": 0, "choice": 1, "rt_ms": NaN}', b'{"position": 0, "choice": 1, "rt_ms": "1"}',
        b'{"position": 0, "choice": 1, "rt_ms": 1e400}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_what_the_page_would_not_send_is_refused(study, body):
    browser = Browser(study)
    browser.begin()
    headers = {**HEADERS, "content-type": "application/json"}
    assert browser.client.post("/answer", content=body, headers=headers).status_code == 400
    assert study.answers(practice=True) == []


def test_a_large_body_is_cut_off(study):
    browser = Browser(study)
    headers = {**HEADERS, "content-type": "application/json"}
    assert browser.client.post("/begin", content=b" " * 5000, headers=headers).status_code == 413


def test_the_socket_is_this_machines_and_a_taken_port_is_named():
    opened = open_socket()
    host, port = opened.getsockname()
    assert host == "127.0.0.1"
    opened.listen()
    with pytest.raises(ConfigError, match=f"Port {port} cannot be used"):
        open_socket(port)
    opened.close()
    with pytest.raises(ConfigError, match="--port must be from 0 to 65535, got 70000"):
        open_socket(70_000)


def test_every_choice_has_a_key_of_its_own(study):
    choices = Browser(study).get("/state").json()["choices"]
    assert [choice["name"] for choice in choices] == list(study.settings.classes)
    assert [choice["key"] for choice in choices] == ["1", "2", "3"]
    assert len(set(KEYS)) == len(KEYS) == 35
