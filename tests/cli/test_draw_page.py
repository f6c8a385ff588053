"""The page to draw on: what it is answered, its command, and the page itself in Chromium."""

import base64
import http.client
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from mnist_estimator import load_mnist, make_pipeline
from mnist_estimator.cli._parser import main
from mnist_estimator.cli.draw._page import (
    REQUEST_PATH,
    REQUEST_TYPE,
    drawing_server,
    parse_drawing,
    read_drawing,
)  # fmt: skip
from mnist_estimator.cli.draw._picture import PICTURE_PATH, PICTURE_TYPE
from mnist_estimator.cli.draw._server import BadRequest
from mnist_estimator.persistence._save_load import save


def arc(x, y, width, height, start, end, n=16):
    """Return points on an ellipse with its centre and half axes, from one angle to another."""
    angles = np.radians(np.linspace(start, end, n))
    return list(zip(x + width * np.cos(angles), y + height * np.sin(angles), strict=True))


STROKES = {
    "0": [arc(0.5, 0.5, 0.42, 0.5, -90, 270, 24)],
    "1": [[(0.5, 0), (0.5, 1)]],
    "2": [[*arc(0.5, 0.28, 0.32, 0.28, -170, 40), (0.15, 1), (0.88, 1)]],
    "3": [arc(0.45, 0.26, 0.33, 0.26, -150, 90) + arc(0.45, 0.76, 0.37, 0.25, -90, 150)],
    "4": [[(0.3, 0), (0.12, 0.55), (0.85, 0.55)], [(0.7, 0.15), (0.66, 1)]],
    "5": [[(0.8, 0), (0.25, 0), (0.2, 0.42), *arc(0.45, 0.68, 0.36, 0.31, -120, 140)]],
    "6": [[(0.7, 0), (0.35, 0.35), *arc(0.48, 0.72, 0.3, 0.28, -160, 200, 20)]],
    "7": [[(0.12, 0.02), (0.85, 0.02), (0.4, 1)]],
    "8": [arc(0.5, 0.25, 0.25, 0.24, 90, -270, 18) + arc(0.5, 0.74, 0.31, 0.25, -90, 270, 18)],
    "9": [[*arc(0.48, 0.28, 0.3, 0.28, 0, -360, 20), (0.76, 0.4), (0.66, 1)]],
}
"""Each digit as strokes in a square from 0 to 1, downward."""


@pytest.fixture(scope="module")
def reader():
    """A pipeline that learned to read from a tenth of MNIST."""
    X, y = load_mnist("train", return_X_y=True)
    learner = {"filters": (16, 32), "kernel_size": 3, "learning_rate": 0.01}
    return make_pipeline("fast", **learner, epochs=3, random_state=0).fit(X[:6000], y[:6000])


@pytest.fixture(scope="module")
def server(reader):
    """The server of the page, with that pipeline."""
    with serving(drawing_server(reader, name="digits.pipeline")) as made:
        yield made


class serving:
    """Serve in a thread while a block runs."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self.server

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def pgm(ink):
    """Return a drawing as the page sends it."""
    return b"P5 %d %d 255\n" % (ink.shape[1], ink.shape[0]) + ink.tobytes()


def ask(server, body, kind=REQUEST_TYPE, path=REQUEST_PATH):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    try:
        connection.request("POST", path, body, {"Content-Type": kind})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


# The server


def test_digits_are_found_and_read(server, reader):
    X, y = load_mnist("test", return_X_y=True)
    ink = np.zeros((200, 300), np.uint8)
    for i, corner in enumerate([(20, 20), (20, 120), (110, 60)]):
        rows, columns = (slice(start, start + 84) for start in corner)
        ink[rows, columns] |= np.kron(X[i].reshape(28, 28), np.ones((3, 3), np.uint8))
    code, body = ask(server, pgm(ink))
    assert code == 200
    digits = json.loads(body)["digits"]
    assert (
        [digit["label"] for digit in digits] == [str(label) for label in y[:3]] == ["7", "2", "1"]
    )
    assert [digit["line"] for digit in digits] == [0, 0, 1]
    for digit in digits:
        top, left, bottom, right = digit["box"]
        assert ink[top:bottom, left:right].max() > 200
        image = np.frombuffer(base64.b64decode(digit["image"]), np.uint8)
        np.testing.assert_allclose(
            digit["probabilities"], reader.predict_proba(image.reshape(1, -1))[0], atol=2e-5
        )
        assert reader.classes_[np.argmax(digit["probabilities"])] == int(digit["label"])


@pytest.mark.parametrize("shape", [(1, 1), (1, 1000), (1000, 1), (28, 28), (990, 1010)])
def test_drawings_without_a_digit_and_of_any_shape(shape, server):
    assert json.loads(ask(server, pgm(np.zeros(shape, np.uint8)))[1]) == {"digits": []}
    for ink in (np.full(shape, 255, np.uint8), np.eye(*shape, dtype=np.uint8)):
        code, body = ask(server, pgm(ink))
        assert code == 200
        assert set(json.loads(body)) == {"digits"}


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize(
    "body",
    [b"", b"P5", b"P5 2 2 255\n", b"P5 2 2 255\nabc", b"P5 2 2 255\nabcde", b"P5 0 0 255\n",
     b"P5 9999 9999 255\nx", b"P5 99999 1 255\nx", b"P5 -2 2 255\nabcd", b"P5 2 2 65535\nabcdabcd",
     b"P5 2 2 254\nabcd", b"P2 2 2 255\n1 2 3 4", b"P6 1 1 255\nabc", "P5 ٢ 2 255\nabcd".encode(),
     b"P5  2 2 255\nabcd", b'{"digits": []}', PNG, PNG[:30]],
)  # fmt: skip
def test_what_is_no_drawing_is_refused(body, server):
    with pytest.raises(BadRequest):
        parse_drawing(body)
    code, answer = ask(server, body)
    assert code == 400
    assert answer.startswith((b"A drawing must be", b"The drawing is said to"))


def test_random_bytes_are_refused(server):
    generator = random.Random(0)
    for _ in range(50):
        body = generator.randbytes(generator.randrange(2000))
        assert ask(server, body)[0] == 400
        assert ask(server, b"P5 30 30 255\n" + body)[0] in (200, 400)


@pytest.mark.slow
def test_labels_may_be_strings(small_pipeline):
    X, y = load_mnist("test", return_X_y=True)
    pipe = small_pipeline(epochs=1).fit(X[:300], np.where(y[:300] > 4, "<high>", "low"))
    ink = np.zeros((100, 100), np.uint8)
    ink[20:80, 47:53] = 255
    (digit,) = read_drawing(pipe, ink)["digits"]
    assert digit["label"] in ("<high>", "low")
    made = drawing_server(pipe, name="</script>")
    page = made.page("nonce")
    made.server_close()
    assert "</script></p>" not in page
    assert '["\\u003chigh\\u003e", "low"]' in page


def test_the_page_asks_nothing_of_others(server):
    page = server.page("nonce")
    assert "://" not in page
    assert "{{" not in page
    assert page.count('nonce="nonce"') == 3


# Pictures


def png(pixels, **options):
    """Return a picture as a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def ask_picture(server, body):
    code, answer = ask(server, body, PICTURE_TYPE, PICTURE_PATH)
    return code, json.loads(answer) if code == 200 else answer.decode()


@pytest.fixture(scope="module")
def page_of_digits():
    """A page with two lines of MNIST's test digits, and what they are."""
    X, y = load_mnist("test", return_X_y=True)
    page = np.full((200, 300, 3), 255, np.uint8)
    for i, (top, left) in enumerate([(20, 20), (20, 120), (110, 60)]):
        digit = np.kron(X[i].reshape(28, 28), np.ones((3, 3), np.uint8))
        page[top : top + 84, left : left + 84] -= digit[..., np.newaxis]
    return page, [str(label) for label in y[:3]]


def test_digits_of_a_picture_and_the_annotated_picture(server, page_of_digits):
    page, labels = page_of_digits
    code, answer = ask_picture(server, png(page))
    assert (code, answer["notes"]) == (200, [])
    assert [digit["label"] for digit in answer["digits"]] == labels
    assert answer["text"].replace(" ", "") == f"{labels[0]}{labels[1]}\n{labels[2]}"
    kind, _, content = answer["picture"].partition(",")
    assert kind == "data:image/jpeg;base64"
    shown = Image.open(io.BytesIO(base64.b64decode(content)))
    assert shown.size == (300, 200)
    assert np.abs(np.asarray(shown).astype(int) - page).max() > 100  # the boxes


def test_a_large_picture_is_shown_smaller(server):
    code, answer = ask_picture(server, png(np.full((300, 4000), 255, np.uint8)))
    assert (code, answer["text"], answer["digits"]) == (200, "", [])
    content = base64.b64decode(answer["picture"].partition(",")[2])
    assert Image.open(io.BytesIO(content)).size == (1600, 120)


def test_further_pages_are_noted(server, page_of_digits):
    file = io.BytesIO()
    pages = [Image.fromarray(page_of_digits[0])] * 2
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    assert ask_picture(server, file.getvalue())[1]["notes"] == [
        "It has 2 pages; this is the first."
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "must be a picture in a format"),
        (b"seven", "must be a picture in a format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "must be a picture in a format"),
        (png(np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8))[:3000],
         "cut off or damaged"),
        (png(np.zeros((7100, 7100), np.uint8)), "at most 50,000,000 pixels"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_in_words(body, words, server):
    code, answer = ask_picture(server, body)
    assert code == 400
    assert answer.startswith("The picture must")
    assert words in answer


def test_damaged_pictures_are_answered_or_refused(server, page_of_digits, capfd):
    generator = random.Random(0)
    whole = png(page_of_digits[0][:60, :80])
    for _ in range(60):
        body = bytearray(whole)
        for _ in range(generator.randrange(1, 6)):
            body[generator.randrange(len(body))] = generator.randrange(256)
        assert ask_picture(server, bytes(body[: generator.randrange(1, len(body) + 1)]))[0] in (
            200, 400,
        )  # fmt: skip
    assert capfd.readouterr().err == ""


def test_a_picture_and_a_drawing_have_paths_of_their_own(server, page_of_digits):
    body = png(page_of_digits[0])
    assert ask(server, body, REQUEST_TYPE, PICTURE_PATH)[0] == 415
    assert ask(server, body, "image/png", PICTURE_PATH)[0] == 415
    assert ask(server, body, PICTURE_TYPE, REQUEST_PATH)[0] == 415


# The command


@pytest.fixture(scope="module")
def model(reader, tmp_path_factory):
    """The file of the pipeline."""
    path = tmp_path_factory.mktemp("model") / "digits.pipeline"
    save(reader, path)
    return path


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent by a signal of POSIX")
def test_draw_serves_until_ctrl_c(model):
    command = [sys.executable, "-m", "mnist_estimator", "draw", str(model), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            line = process.stdout.readline()
            address = line.split()[2]
            port = int(address.rsplit(":", 1)[1].strip("/"))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/")
            page = connection.getresponse().read().decode()
            connection.close()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert line == f"Draw at http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
    assert "digits.pipeline" in page
    assert (process.returncode, err) == (0, "")
    assert out.strip() == "Ended."


def test_open_shows_the_page_of_a_model_fitted_on_a_frame(
    small_pipeline, tmp_path, monkeypatch, capsys
):
    X, y = load_mnist("test", return_X_y=True, as_frame=True)
    save(small_pipeline(epochs=1).fit(X[:300], y[:300]), tmp_path / "frame.pipeline")
    shown = []

    def show(url):
        shown.append(url)
        raise KeyboardInterrupt

    monkeypatch.setattr("webbrowser.open", show)
    assert main(["draw", str(tmp_path / "frame.pipeline"), "--port", "0", "--open"]) == 0
    assert shown == [capsys.readouterr().out.split()[2]]


def test_models_of_other_images_are_refused(digits, quick_pipeline, tmp_path, capsys):
    X, y = digits
    save(quick_pipeline(epochs=1).fit(X, y), tmp_path / "small.pipeline")
    assert main(["draw", str(tmp_path / "small.pipeline")]) == 1
    error = capsys.readouterr().err
    assert "draw needs a model with an ImageScaler for grey images of 28×28" in error
    assert "small.pipeline takes 8×8 pixels" in error


def test_wrong_arguments_of_draw(model, server, capsys):
    assert main(["draw", str(model.with_name("none"))]) == 1
    assert "there is no such model" in capsys.readouterr().err
    assert main(["draw", str(model), "--port", str(server.server_port)]) == 1
    assert f"Port {server.server_port} cannot be opened" in capsys.readouterr().err
    for port in ("65536", "-1", "x", "٣"):
        with pytest.raises(SystemExit):
            main(["draw", str(model), "--port", port])
        assert "from 0 to 65535" in capsys.readouterr().err


# The page, in Chromium


def find_program(*names):
    return next(filter(None, map(shutil.which, names)), None)


CHROMIUM = "chromium", "chromium-browser", "google-chrome"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Chromium, driven by Selenium."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    for names in (CHROMIUM, ["chromedriver"]):
        if find_program(*names) is None:
            pytest.skip(f"there is no {names[0]} on this machine")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = find_program(*CHROMIUM)
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
        "disable-background-networking", "disable-component-update", "disable-sync",
        "disable-dev-shm-usage", f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(find_program("chromedriver")))
    yield driver
    driver.quit()


class Page:
    """The page in a browser, and what a person does there."""

    def __init__(self, driver, url, *, width=1280, height=820, dark=False, touch=False):
        self.driver = driver
        self.kind = "touch" if touch else "mouse"
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=touch,
        )  # fmt: skip
        self.command("Emulation.setTouchEmulationEnabled", enabled=touch)
        self.prefer("dark" if dark else "light")
        self.driver.get(url)

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.command("Emulation.setEmulatedMedia", features=features)

    def script(self, code):
        return self.driver.execute_script("return " + code)

    def find(self, name):
        return self.driver.find_element("id", name)

    def draw(self, strokes, left, top, width, height, kind=None):
        """Draw strokes into a rectangle of the canvas, in CSS pixels."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        kind = kind or self.kind
        box = self.script("document.querySelector('#ink').getBoundingClientRect().toJSON()")
        actions = ActionBuilder(self.driver, mouse=PointerInput(kind, kind), duration=2)
        for stroke in strokes:
            points = [
                (round(box["x"] + left + x * width), round(box["y"] + top + y * height))
                for x, y in stroke
            ]
            actions.pointer_action.move_to_location(*points[0]).pointer_down()
            for point in points[1:]:
                actions.pointer_action.move_to_location(*point)
            actions.pointer_action.pointer_up()
        actions.perform()

    def press(self, *keys):
        from selenium.webdriver import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def control(self, key):
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(key).key_up(
            Keys.CONTROL
        ).perform()

    def until(self, happened, seconds=60):
        """Wait until something is so, and return it."""
        deadline = time.monotonic() + seconds
        while not (value := happened()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return value

    def lines(self):
        """Return what the page reads, once it has read the newest drawing."""
        self.until(lambda: not self.script("document.querySelector('#paper.busy')"))
        return self.script(
            "[...document.querySelectorAll('.text')]"
            ".map(row => [...row.querySelectorAll('b')].map(each => each.textContent).join(''))"
        )

    def ink(self):
        """Return how many pixels of the canvas have ink."""
        return self.script(
            "(canvas => canvas.getContext('2d')"
            ".getImageData(0, 0, canvas.width, canvas.height).data"
            ".filter((value, i) => i % 4 == 3 && value).length)(document.querySelector('#ink'))"
        )

    def errors(self):
        """Return what the browser complains of, such as what the policy forbids."""
        return [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def open_page(server, driver):
    """Open the page in Chromium, in a window of any size."""
    driver.get_log("browser")  # those of the test before
    yield lambda url=server.url, **options: Page(driver, url, **options)
    driver.execute_script("localStorage.clear()")
    driver.get("about:blank")


def test_strokes_are_read_as_the_digits_that_they_are(open_page):
    page = open_page()
    for digit, strokes in STROKES.items():
        page.draw(strokes, 280, 50, 170, 290)
        assert page.lines() == [digit]
        assert page.find("answer").text == digit
        shares = page.script("[...document.querySelectorAll('.fill')].map(bar => "
                             "+bar.style.getPropertyValue('--share'))")  # fmt: skip
        assert np.argmax(shares) == int(digit)
        assert sum(shares) == pytest.approx(1, abs=1e-4)
        page.find("clear").click()
        assert page.lines() == []
        assert page.until(lambda: page.ink() == 0)  # drawn with the next frame
    assert page.errors() == []


def test_several_digits_are_read_and_one_is_chosen(open_page):
    page = open_page()
    for i, digit in enumerate("314"):
        page.draw(STROKES[digit], 60 + 150 * i, 30, 90, 150)
    for i, digit in enumerate("27"):
        page.draw(STROKES[digit], 100 + 150 * i, 240, 90, 140)
    assert page.lines() == ["314", "27"]
    assert page.find("answer").text == "7"  # drawn last
    first = page.driver.find_element("css selector", ".digit")
    first.click()
    assert page.find("answer").text == "3"
    assert first.get_attribute("aria-pressed") == "true"
    assert page.script("document.querySelectorAll('.box').length") == 5
    assert page.script("document.querySelectorAll('.box.selected').length") == 1
    said = "document.querySelector('#live').textContent == 'Reads 3 1 4; 2 7'"
    assert page.until(lambda: page.script(said))
    assert page.errors() == []


def test_undo_redo_and_clear_by_buttons_and_keys(open_page):
    from selenium.webdriver import Keys

    page = open_page()
    assert not page.find("undo").is_enabled()
    page.draw(STROKES["7"], 80, 60, 120, 220)
    page.draw(STROKES["1"], 350, 60, 60, 220)
    assert page.lines() == ["71"]
    page.find("undo").click()
    assert page.lines() == ["7"]
    page.find("redo").click()
    assert page.lines() == ["71"]
    page.control("z")
    assert page.lines() == ["7"]
    page.control("y")
    assert page.lines() == ["71"]
    page.press(Keys.ESCAPE)
    assert page.lines() == []
    page.control("z")  # clearing is taken back, too
    assert page.lines() == ["71"]
    page.press(Keys.DELETE)
    assert page.lines() == []
    assert page.find("hint").is_displayed()


def test_all_by_keyboard(open_page):
    from selenium.webdriver import Keys

    page = open_page()
    reached = []
    for _ in range(2):
        page.press(Keys.TAB)
        reached.append(page.driver.switch_to.active_element.get_attribute("id"))
        outline = page.script("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"
    assert reached == ["theme", "ink"]
    assert page.find("pen").is_displayed()
    page.press(" " + Keys.ARROW_RIGHT * 14 + Keys.ARROW_DOWN * 24 + " ")
    assert page.lines() == ["7"]
    ink = page.ink()
    page.press(Keys.ARROW_LEFT * 5)  # the pen is up
    assert page.ink() == ink
    page.press(Keys.TAB, Keys.RETURN)  # undo
    assert page.lines() == []
    page.press(Keys.TAB)  # undo is passed over: nothing is left to take back
    assert page.driver.switch_to.active_element.get_attribute("id") == "redo"


def test_a_phone_with_a_finger(open_page):
    page = open_page(width=390, height=844, touch=True)
    assert page.script("document.documentElement.scrollWidth") == 390
    for i, digit in enumerate("20"):
        page.draw(STROKES[digit], 30 + 160 * i, 50, 120, 180)
    assert page.lines() == ["20"]
    assert page.script("document.documentElement.scrollWidth") == 390
    assert page.script("scrollY") == 0  # the finger draws and does not scroll
    small = page.script("[...document.querySelectorAll('button')].filter(each => "
                        "Math.min(each.offsetWidth, each.offsetHeight) < 40).length")  # fmt: skip
    assert small == 0


def test_a_pen_presses_and_a_smaller_window_keeps_the_drawing(open_page):
    page = open_page()
    page.draw(STROKES["3"], 500, 60, 150, 260, kind="pen")
    assert page.lines() == ["3"]
    page.command(
        "Emulation.setDeviceMetricsOverride", width=420, height=700, deviceScaleFactor=2,
        mobile=False,
    )  # fmt: skip
    assert page.until(lambda: page.script("document.querySelector('#ink').width") < 900)
    assert page.ink() > 500
    right = page.script("document.querySelector('#paper').clientWidth")
    page.draw(STROKES["1"], 0.2 * right, 40, 20, 120)
    assert page.lines() == ["13"]


def test_light_and_dark(open_page):
    page = open_page(dark=True)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.script(ground) == "rgb(17, 20, 24)"
    page.prefer("light")
    assert page.until(lambda: page.script(ground) == "rgb(246, 247, 249)")
    page.find("theme").click()
    assert page.script(ground) == "rgb(17, 20, 24)"
    assert page.find("theme").get_attribute("aria-pressed") == "true"
    page.driver.refresh()
    assert page.script(ground) == "rgb(17, 20, 24)"  # what was chosen stays


def test_a_program_that_is_gone_is_told_and_found_again(open_page, reader):
    gone = drawing_server(reader)
    with serving(gone):
        page = open_page(gone.url)
        page.draw(STROKES["7"], 280, 50, 170, 290)
        assert page.lines() == ["7"]
    page.draw(STROKES["1"], 100, 60, 60, 220)
    trouble = page.find("trouble")
    assert page.until(trouble.is_displayed)
    assert trouble.text == "No answer from the program. Is it still running?"
    with serving(drawing_server(reader, port=gone.server_port)):
        assert page.until(lambda: not trouble.is_displayed())
        assert page.lines() == ["17"]


@pytest.fixture
def picture_file(page_of_digits, tmp_path):
    """A file with a page of digits."""
    path = tmp_path / "page.png"
    path.write_bytes(png(page_of_digits[0]))
    return path


def test_a_chosen_picture_is_shown_and_its_digits_are_listed(
    open_page, page_of_digits, picture_file
):
    page, labels = open_page(), page_of_digits[1]
    page.draw(STROKES["1"], 350, 60, 60, 220)
    assert page.lines() == ["1"]
    page.find("file").send_keys(str(picture_file))
    assert page.until(lambda: page.find("photo").is_displayed())
    assert page.lines() == [labels[0] + labels[1], labels[2]]
    assert "".join(page.find("whole").text.split()) == "".join(labels)
    assert "".join(labels[:2]) in page.find("photo").get_attribute("alt").replace(" ", "")
    assert not page.find("hint").is_displayed()
    page.find("clear").click()
    assert not page.find("photo").is_displayed()
    assert page.lines() == []
    page.control("z")  # the drawing from before is still there
    assert page.lines() == ["1"]
    assert page.errors() == []


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_dropped_or_pasted_picture_goes_when_one_draws(event, open_page, page_of_digits):
    page, labels = open_page(), page_of_digits[1]
    content = base64.b64encode(png(page_of_digits[0])).decode()
    kind, name = {
        "drop": ("DragEvent", "dataTransfer"),
        "paste": ("ClipboardEvent", "clipboardData"),
    }[event]
    page.driver.execute_script(
        "const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));"
        "const data = new DataTransfer();"
        "data.items.add(new File([bytes], 'page.png', { type: 'image/png' }));"
        f"document.dispatchEvent(new {kind}('{event}', {{ {name}: data, bubbles: true }}));",
        content,
    )
    assert page.until(lambda: page.find("photo").is_displayed())
    assert page.lines() == [labels[0] + labels[1], labels[2]]
    page.draw(STROKES["7"], 80, 60, 120, 220)
    assert page.lines() == ["7"]
    assert not page.find("photo").is_displayed()
    assert not page.find("whole").is_displayed()
    assert page.errors() == []


def test_what_is_no_picture_is_told_in_words(open_page, tmp_path):
    page = open_page()
    path = tmp_path / "seven.png"
    path.write_text("seven")
    page.find("file").send_keys(str(path))
    assert page.until(lambda: "must be a picture in a format" in page.find("trouble").text)
    path.write_bytes(bytes(32_000_001))
    page.find("file").send_keys(str(path))
    assert page.until(lambda: "at most 32 MB" in page.find("trouble").text)
    page.draw(STROKES["1"], 350, 60, 60, 220)
    assert page.lines() == ["1"]
    assert not page.find("trouble").is_displayed()
