"""A person in a browser: keys, clicks, pause, resume, the next person; timed, silent, at every width."""

import re
import threading
import time

import numpy as np
import pytest
import uvicorn
from PIL import Image

from striate.studio.gate import Gate
from striate.studio.label_page import build_label_app, open_socket
from tests.insight.study_scenes import color_folders, make_study
from tests.report.test_browser import browser  # noqa: F401 - a fixture

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return color_folders(tmp_path_factory.mktemp("data") / "colors")


@pytest.fixture
def served(tmp_path, data):
    """Start the server of a study; gives the study and a function that starts another server."""
    study = make_study(tmp_path / "study", data, per_class=2, practice=2, exposure_ms=0)
    running = []

    def serve():
        listener = open_socket()
        gate = Gate(listener.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(build_label_app(study, gate), lifespan="off", log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        running.append((server, thread))
        return gate.link

    yield study, serve
    for server, thread in running:
        server.should_exit = True
        thread.join(10)


class Person:
    """A tab at the page, and what it said on the console."""

    def __init__(self, browser, link, **options):  # noqa: F811 - the fixture
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.said = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(link)

    def _hear(self, message):
        if not message.text.startswith("Canvas2D: Multiple readback"):  # that is `sees`, not the page
            self.said.append(message.text)

    def begin(self, name):
        self.page.locator("#name").fill(name)
        self.page.keyboard.press("Enter")

    def sees(self):
        """Wait for the picture: the color in its middle, 0 blue, 1 green, 2 red."""
        self.page.wait_for_selector("#picture.shown")
        values = self.page.locator("#picture").evaluate("c => [...c.getContext('2d').getImageData(8, 8, 16, 16).data]")
        r, g, b, _ = np.array(values).reshape(-1, 4).mean(axis=0)
        return int(np.argmax([b, g, r]))

    def done(self):
        """What the bar says is being answered."""
        return self.page.locator("#progress").inner_text()


def test_a_whole_study_by_keyboard_and_pointer(browser, served):  # noqa: F811 - the fixture
    study, serve = served
    person = Person(browser, serve())
    page = person.page
    page.wait_for_selector("#name")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", page.url)  # the token is gone from the address
    person.begin("p1")
    for number in (1, 2):
        seen = person.sees()
        assert person.done() == f"Practice {number} of 2"
        page.keyboard.press(str(seen + 1 if number == 1 else (seen + 1) % 3 + 1))
        page.wait_for_selector("#told b")
        assert page.locator("#told").inner_text().startswith("Right" if number == 1 else "It was")
        page.wait_for_selector("#told b", state="detached", timeout=5000) if number == 1 else None
    page.wait_for_selector("#words:not([hidden]) >> text=Now it counts")
    page.keyboard.press("Space")
    for number in range(1, 7):
        seen = person.sees()
        assert person.done() == f"{number} of 6"
        if number == 3:
            page.keyboard.press("Escape")
        if number % 2:
            page.keyboard.press(str(seen + 1))
        else:
            page.locator("#choices button").nth(seen).click()
        if number == 3:
            page.wait_for_selector("#words:not([hidden]) >> text=Paused")
            page.locator("#go").click()
        elif number < 6:
            page.wait_for_selector(f"text='{number + 1} of 6'")
        assert page.locator("#told b").count() == 0  # nobody is told what is right any more
    page.wait_for_selector("text=Done. Thank you")
    assert study.participant("p1").answered == 6
    answers = study.answers()
    assert all(one.choice == study.pictures[one.picture].label for one in answers)
    assert all(0 < one.rt_ms < 60_000 for one in answers)
    page.locator("#go").click()
    page.wait_for_selector("#name")
    assert page.locator("#name").input_value() == ""
    assert person.said == []
    person.context.close()


def test_it_goes_on_after_the_program_was_ended(browser, served):  # noqa: F811 - the fixture
    study, serve = served
    first = Person(browser, serve())
    first.begin("p1")
    seen = first.sees()
    first.page.keyboard.press(str(seen + 1))
    first.page.wait_for_selector("text='Practice 2 of 2'")
    first.context.close()
    second = Person(browser, serve())
    second.begin("p1")
    second.page.wait_for_selector("text=Welcome back")
    assert second.page.locator("#text").inner_text() == "One picture is left."
    second.page.keyboard.press("Space")
    second.sees()
    assert second.done() == "Practice 2 of 2"
    assert len(study.answers(practice=True)) == 1
    second.context.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_width_and_theme(browser, served, width, theme):  # noqa: F811 - the fixture
    _, serve = served
    person = Person(
        browser, serve(), viewport={"width": width, "height": 740}, color_scheme=theme, reduced_motion="reduce"
    )
    page = person.page
    page.wait_for_selector("#name")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    color = {"light": "rgb(251, 250, 248)", "dark": "rgb(19, 20, 22)"}[theme]
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == color
    person.begin("<b>p</b>")
    person.sees()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.scrollHeight") <= 740  # nothing has to be looked for
    box = page.locator("#choices button").first.bounding_box()
    assert box["height"] >= 44
    assert person.said == []
    person.context.close()


def test_the_picture_is_shown_for_its_time_and_then_covered(browser, tmp_path, data):  # noqa: F811 - the fixture
    study = make_study(tmp_path / "timed", data, per_class=1, practice=0, fixation_ms=500, exposure_ms=300)
    listener = open_socket()
    gate = Gate(listener.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(build_label_app(study, gate), lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        person = Person(browser, gate.link)
        person.begin("p1")
        for _ in range(3):
            person.page.wait_for_selector("#ask.shown")
            person.page.keyboard.press("1")
            person.page.wait_for_selector("#cross.shown, #words:not([hidden])", state="attached")
        person.page.wait_for_selector("text=Done. Thank you")
        person.context.close()
    finally:
        server.should_exit = True
        thread.join(10)
    answers = study.answers()
    assert len(answers) == 3
    for one in answers:
        assert one.shown_ms >= 290
        assert one.rt_ms > one.shown_ms
    assert Image.open(study.picture_file(answers[0].picture)).size == (32, 32)
