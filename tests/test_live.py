"""Pages on planes of C: what they carry, in a browser and without one."""

import base64
import json
import re

import browser
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from scipy import ndimage

from jaxcost import cost, data, directions, live, losses, network, slices
from jaxcost.engine import carried, javascript

needs_browser = pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium here (Debian's package chromium)")
SIZES, KEY = (784, 7, 6, 10), jax.random.key(0)
HELD_OUT = data.digits()[1][:300]
INTEGERS = data.Images(HELD_OUT.x, data.labels(HELD_OUT.y))
LOSSES = {
    "sigmoid, quadratic": (network.feedforward, losses.quadratic),
    "tanh, softmax": (network.mlp(jnp.tanh), losses.softmax_cross_entropy),
    "relu, sigmoid cross-entropy": (network.mlp(jax.nn.relu), losses.sigmoid_cross_entropy),
    "sigmoid, cross-entropy": (network.feedforward, losses.cross_entropy),
    "whole labels, relu": (network.mlp(jax.nn.relu), optax.softmax_cross_entropy_with_integer_labels),
    "relu, softmax outputs, quadratic": (network.mlp(jax.nn.relu, jax.nn.softmax), losses.quadratic),
}
SLOW = "tanh, softmax", "relu, sigmoid cross-entropy", "sigmoid, cross-entropy", "relu, softmax outputs, quadratic"


def the_cost(name="sigmoid, quadratic"):
    return cost.Cost(INTEGERS if name.startswith("whole") else HELD_OUT, *LOSSES[name])


def frame_of(seed, sizes=SIZES, scale=None):
    params = network.init(jax.random.key(seed), sizes, scale=scale)
    return directions.Frame(params, directions.random(jax.random.key(seed + 1), params, 2))


def data_of(path):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.S)[1])


def doubles(text, dtype="<f8"):
    return np.frombuffer(base64.b64decode(text), dtype)


def in_float64(C, frame, points, images):
    """C of a page's images at points of a plane, and its gradients, in float64, nothing hoisted."""
    chosen = np.unique(np.linspace(0, C.n - 1, min(images, C.n)).round().astype(int))
    with jax.enable_x64(True):
        floats = lambda leaf: jnp.asarray(leaf, float if np.issubdtype(np.asarray(leaf).dtype, np.floating) else int)
        wide = lambda tree: jax.tree.map(lambda leaf: floats(np.asarray(leaf)), tree)
        some = wide(jax.tree.map(lambda leaf: np.asarray(leaf)[chosen], C.images))
        origin, *ways = (wide(tree) for tree in (frame.origin, *frame.directions))

        @jax.jit
        def at(s):
            params = jax.tree.map(lambda p, u, v: p + s[0] * u + s[1] * v, origin, *ways)
            each = lambda x, y: C.loss(C.f(x, *params), y)
            return jax.vmap(each)(some.x, some.y).mean()

        values = jax.lax.map(jax.value_and_grad(at), jnp.asarray(points))
        return tuple(map(np.asarray, values))


def scattered(count, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (count, 2)) * 10 ** random.uniform(-3, 2, (count, 1))


# -- without a browser ----------------------------------------------------------------------------------


def test_a_page_is_one_file_that_names_no_other(tmp_path):
    path = tmp_path / "new" / "page.html"
    found = live.explorer(path, the_cost(), frame_of(0), images=100, title="a < b & c")
    text = path.read_text()
    assert found == live.Page(True, "", 100, len(path.read_bytes()))
    assert not re.findall(
        r"""(?:src|href)=["'](?!#)[^"']+|@import|url\((?!#)|https?://(?!www\.w3\.org/2000/svg)""", text
    )
    assert "<title>a &lt; b &amp; c</title>" in text
    assert not re.findall(r"@\w+@", text)


def test_a_page_of_a_thousand_images_and_six_planes_is_small_enough(tmp_path):
    C = cost.Cost(data.digits()[0])
    planes = {f"plane {i}": frame_of(i, (784, 16, 16, 10)) for i in range(6)}
    found = live.explorer(tmp_path / "page.html", C, planes)
    assert (found.live, found.images) == (True, 1000)
    assert found.bytes < 5_000_000
    told = data_of(tmp_path / "page.html")
    assert told["pixels"]
    assert told["total"] == 8000
    labels = np.asarray(C.images.y).argmax(1)[told["chosen"]]
    assert (np.diff(told["chosen"]) > 0).all()
    np.testing.assert_array_equal(told["labels"], labels)


def test_the_coefficients_are_those_of_the_first_layer():
    C, frame = the_cost(), frame_of(3)
    found = carried.carried(C, [frame])
    x = np.asarray(C.images.x, np.float64)
    wide = [[np.asarray(leaf, np.float64) for leaf in (*tree.w[:1], *tree.b[:1])] for tree in (frame[0], *frame[1])]
    expected = np.stack([x @ w.T + b for w, b in wide], 1)
    np.testing.assert_allclose(found.images[0], expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.of_images, np.asarray(C.images.y))


def test_what_a_browser_can_not_do_becomes_a_ladder_that_says_so(tmp_path):
    C = cost.Cost(HELD_OUT, f=lambda x, p: jnp.sort(jnp.tanh(p @ x)), loss=losses.softmax_cross_entropy)
    frame = directions.Frame((jnp.ones((10, 784)) / 28,), directions.random(KEY, (jnp.ones((10, 784)),), 2))
    found = live.explorer(
        tmp_path / "page.html", C, frame, images=60, zooms=[0.5, 2.0], points=3, progress=False
    )  # fmt: skip
    assert not found.live
    assert found.reason == "the operation sort"
    told = data_of(tmp_path / "page.html")
    (plane,) = told["planes"]
    assert [rung["halfWidth"] for rung in plane["rungs"]] == [0.5, 2.0]
    some = cost.Cost(jax.tree.map(lambda a: a[np.asarray(told["chosen"])], C.images), C.f, C.loss)
    per_class = doubles(plane["rungs"][1]["values"], "<f4").reshape(3, 3, 10)
    shares = np.array(told["counts"]) / 60
    np.testing.assert_allclose(np.nansum(per_class[2, 0] * shares), some(*frame.at([2.0, -2.0])), rtol=1e-5)
    with pytest.raises(ValueError, match="live=True, and the operation sort; expected"):
        live.explorer(tmp_path / "page.html", C, frame, live=True)


def test_too_large_a_first_layer_becomes_a_ladder_or_an_error(tmp_path):
    frame = frame_of(0)
    wide = frame_of(0, (784, 60, 10))
    found = live.explorer(
        tmp_path / "page.html", the_cost(), wide, zooms=[1.0], points=2, most=200_000, progress=False
    )  # fmt: skip
    assert found.reason == "its numbers would take 0.6 MB, more than 0.2"
    assert data_of(tmp_path / "page.html")["pixels"] is None  # of 300 images, 0.3 MB
    with pytest.raises(ValueError, match=r"most=1,000 bytes, and the page would be [\d,]+; expected fewer"):
        live.explorer(tmp_path / "page.html", the_cost(), frame, zooms=[1.0], points=2, most=1000, progress=False)


def test_a_slice_opens_where_it_lies(tmp_path):
    frame, C = frame_of(0), the_cost()
    plane = slices.plane(C, frame.origin, *frame.directions, np.linspace(1, 3, 3), np.linspace(-0.5, 0.5, 3))
    live.explorer(tmp_path / "page.html", C, plane, images=20)
    (told,) = data_of(tmp_path / "page.html")["planes"]
    assert told["middle"] == [2.0, 0.0]
    assert told["half_width"] == 1.0
    assert f"is {float(C(*frame.origin)):.4g} at (0, 0)" in told["note"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"planes": {}}, "planes={}, expected one or more by name"),
        ({"planes": 3}, "expected a plane Slice, a View or"),
        ({"planes": {"a": frame_of(0), "b": frame_of(0, (784, 5, 10))}}, "expected those of one network"),
        ({"planes": live.View(frame_of(0), marks={"a": (1, 2, 3)})}, "a=.*expected two coordinates"),
        ({"planes": live.View(frame_of(0), half_width=0)}, "half_width=0"),
        ({"planes": live.View(frame_of(0), path=np.zeros((3, 3)))}, r"path \[3, 3\], expected \[steps, 2\]"),
        ({"planes": live.View(frame_of(0), off=[1.0])}, r"off \[1\], expected a number for each step"),
        ({"planes": (frame_of(0).origin, frame_of(0).directions[:1])}, "has 1 directions, expected 2"),
        ({"path": "page.htm"}, "expected one that ends in .html"),
        ({"zooms": [2.0, 1.0]}, "expected rising half-widths"),
        ({"zooms": []}, "expected rising half-widths"),
        ({"title": 3}, "title=3, expected text"),
        ({"images": 0}, "images=0"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(change, message, tmp_path):
    asked = {"path": tmp_path / "page.html", "C": the_cost(), "planes": frame_of(0)} | change
    with pytest.raises(ValueError, match=message):
        live.explorer(**asked)


# -- in a browser ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tab():
    with browser.opened() as page:
        page.size(1280, 900)
        yield page


def whole(tab, path, fragment=""):
    tab.open(path, fragment)
    tab.wait_for("document.body.dataset.picture === 'whole' && $('kind').textContent")


@needs_browser
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in LOSSES])
def test_the_page_computes_C_its_slope_and_outputs_as_python_does_in_float64(name, tmp_path, tab):
    C, points = the_cost(name), scattered(1000)
    planes = {"one": frame_of(0), "other": frame_of(5, scale=lambda n: n**-0.5)}
    path = tmp_path / "page.html"
    live.explorer(path, C, planes, images=60, live=True)
    whole(tab, path, "#points=31")
    assert tab.evaluate("page.n") == 60
    for index, frame in enumerate(planes.values()):
        values, slopes = in_float64(C, frame, points, 60)
        asked = f"{json.dumps(points.tolist())}.map(([a, b]) => points.cost({index}, false).slope(a, b, images.on()))"
        found = np.array(tab.evaluate(asked), float)
        plain = np.array(tab.evaluate(asked.replace("slope", "at")), float)
        finite = np.isfinite(values)
        assert finite.mean() > (0.4 if name.endswith("cross-entropy") else 0.99)  # of saturated outputs it is infinite
        for of in (found[:, 0], plain):
            np.testing.assert_allclose(of[finite], values[finite], rtol=1e-9, atol=1e-300)
        known = finite & np.isfinite(slopes).all(1)
        largest = np.abs(slopes[known]).max(1, keepdims=True) + 1e-5  # of saturated outputs it is next to nothing
        assert (np.abs(found[known, 1:] - slopes[known]) / largest).max() < 1e-6
        a, b = points[7]
        outputs = tab.evaluate(f"points.cost({index}, false).one(11, {a}, {b}).outputs")
        x = np.asarray(C.images.x)[int(tab.evaluate("page.chosen[11]"))]
        np.testing.assert_allclose(outputs, C.f(x, *frame.at([a, b])), rtol=2e-4, atol=2e-5)
    assert [url for url in tab.requests if not url.startswith(("file:", "blob:"))] == []
    assert sum(url.startswith("file:") for url in tab.requests) == 1
    assert tab.errors == []


@needs_browser
def test_the_page_tests_itself_and_says_when_it_is_wrong(tmp_path, tab):
    path = tmp_path / "page.html"
    live.explorer(path, the_cost(), frame_of(0), images=50)
    whole(tab, path)
    assert "Checked against float64 in python" in tab.evaluate("$('kind').textContent")
    text = path.read_text()
    value = data_of(path)["planes"][0]["checks"][0][2]
    path.write_text(text.replace(repr(value), repr(value * 1.001)))
    whole(tab, path)
    assert "WRONG" in tab.evaluate("$('kind').textContent")
    assert tab.evaluate("$('kind').classList.contains('warning')")


@needs_browser
def test_images_and_classes_are_taken_out_and_in(tmp_path, tab):
    path, frame, C = tmp_path / "page.html", frame_of(0), the_cost()
    live.explorer(path, C, frame, images=300)
    whole(tab, path, "#off=3.5&without=0.17&points=31")
    labels = np.asarray(C.images.y).argmax(1)
    on = ~np.isin(labels, (3, 5))
    on[[0, 17]] = False
    expected = np.asarray(C.per_image(*frame.at([0.3, -0.2])))[on].mean()
    found = tab.evaluate("points.cost(0, false).at(0.3, -0.2, images.on())")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    tab.evaluate("document.querySelector('#classes input').click()")
    assert tab.evaluate("[...view.off].sort().join()") == "0,3,5"
    tab.wait_for("location.hash.includes('off=3.5.0')")


@needs_browser
def test_float32_makes_bumps_at_the_bottom_and_the_floor_hides_them(tmp_path, tab):
    path = tmp_path / "page.html"
    live.explorer(path, the_cost(), frame_of(2), images=100)
    whole(tab, path, "#points=31")
    tab.evaluate("bottom()")
    point = np.array(tab.evaluate("view.point"))
    (_, (slope,)) = in_float64(the_cost(), frame_of(2), point[None], 100)
    assert np.abs(slope).max() < 1e-6

    def minima():
        """Points of the picture that are lower than all their neighbours."""
        values = np.reshape(tab.evaluate("Array.from(shown.values)"), (31, 31))
        rest = ndimage.minimum_filter(values, footprint=np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]]))
        return (values < rest)[1:-1, 1:-1].sum()

    tab.evaluate("view.w = 1e-5; view.single = true; changed()")
    tab.wait_for("document.body.dataset.picture === 'whole'")
    assert minima() > 3
    spread, floor = tab.evaluate("[Math.max(...shown.values) - Math.min(...shown.values), floor]")
    assert spread < 2 * floor
    assert tab.evaluate("drawn.scale.high - drawn.scale.low") >= 10 * floor * 0.999
    assert tab.evaluate("drawn.levels.length") <= 6
    tab.evaluate("view.single = false; changed()")
    tab.wait_for("document.body.dataset.picture === 'whole'")
    assert minima() <= 1


@pytest.mark.slow
@needs_browser
def test_a_ball_crawls_settles_or_leaves_by_its_rate(tmp_path, tab):
    path = tmp_path / "page.html"
    live.explorer(path, the_cost(), frame_of(2), images=50)
    whole(tab, path, "#points=31")
    tab.evaluate("bottom()")
    point = np.array(tab.evaluate("view.point"))
    near = point + 1e-4 * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
    right, left, up, down = in_float64(the_cost(), frame_of(2), near, 50)[1]
    largest = np.linalg.eigvalsh(np.array([(right - left) / 2e-4, (up - down) / 2e-4]))[1]
    start = [float(point[0]) + 0.2, float(point[1])]
    said = {}
    for rate in (-3, -np.log10(largest), 3):
        tab.evaluate(f"view.point = {start}; walking.forget(); $('rate').value = {rate}")
        tab.evaluate("for (let i = 0; i < 400; i++) walking.step()")
        said[rate] = tab.evaluate("[$('ball').textContent, walking.walk.costs]")
    (crawls, slow), (rests, right), (leaves, wild) = said.values()
    assert "crawls" in crawls
    assert "it has come to the bottom" in rests
    assert np.ptp(slow) < 0.1 * slow[0]
    assert right[-1] <= slow[-1] + 1e-12
    assert "above 2: no step settles here" in leaves or "left for good" in leaves or "no bowl" in leaves
    assert not wild[-1] < right[-1]


@needs_browser
@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, True)])
def test_the_page_fits_its_window_and_answers_keys_and_pointer(width, dark, tmp_path, tab):
    path = tmp_path / "page.html"
    view = live.View(frame_of(0), 2.0, path=[[0, 0], [1, 1]], off=[0.5, 0.0], costs=[2.0, 1.0])
    live.explorer(path, the_cost(), {"path": view, "plain": frame_of(1)}, images=40)
    tab.size(width, 900, dark=dark)
    whole(tab, path, "#points=31")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert "0.5 off this plane" in tab.evaluate("$('point').textContent")
    box = tab.evaluate("(({x, y, width, height}) => ({x, y, width, height}))($('surface').getBoundingClientRect())")
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    before = tab.evaluate("view.w")
    tab.call("Input.dispatchMouseEvent", type="mouseWheel", deltaX=0, deltaY=-300, **at)
    tab.wait_for(f"view.w < {before} * 0.5")
    tab.call("Input.dispatchMouseEvent", type="mousePressed", button="left", clickCount=1, **at)
    tab.call("Input.dispatchMouseEvent", type="mouseReleased", button="left", clickCount=1, **at)
    tab.wait_for("view.point[0] !== 0")
    tab.evaluate("$('surface').focus()")
    middle = tab.evaluate("view.a")
    tab.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    tab.wait_for(f"view.a > {middle}")
    assert tab.evaluate("$('surface').ariaLabel").startswith("C on the plane path")
    parts = "[...document.querySelectorAll('button, input, select, canvas')].filter(e => !e.ariaHidden)"
    unnamed = f"{parts}.filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).length"
    assert tab.evaluate(unnamed) == 0
    tab.size(1280, 900)
    assert tab.errors == []


@needs_browser
def test_two_fingers_zoom_and_one_moves(tmp_path, tab):
    path = tmp_path / "page.html"
    live.explorer(path, the_cost(), frame_of(0), images=30)
    tab.call("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    whole(tab, path, "#points=31&w=2")
    box = "$('surface').getBoundingClientRect()"
    x, y = tab.evaluate(f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({box})")

    def slide(*places):
        """Fingers put down, moved and taken off; each place a list of how far right of the middle each finger is."""
        for kind, place in zip(("touchStart", *["touchMove"] * (len(places) - 1)), places, strict=True):
            touches = [{"x": x + far, "y": y, "id": i} for i, far in enumerate(place)]
            tab.call("Input.dispatchTouchEvent", type=kind, touchPoints=touches)
        tab.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    slide([-20, 20], [-30, 30], [-40, 40])
    tab.wait_for("Math.abs(view.w - 1) < 1e-9")  # twice as far apart
    before = tab.evaluate("view.a")
    slide([0], [10], [30])
    tab.wait_for(f"view.a < {before}")
    tab.call("Emulation.setTouchEmulationEnabled", enabled=False)
    assert tab.errors == []


@needs_browser
def test_the_view_is_in_the_address_and_in_its_files(tmp_path, tab):
    path, frame = tmp_path / "page.html", frame_of(1)
    live.explorer(path, the_cost(), {"a": frame_of(0), "b & c": frame}, images=300)
    whole(tab, path, "#plane=b+%26+c&a=0.5&b=-1&w=0.25&points=31&bits=32")
    assert tab.evaluate("[view.plane, view.a, view.b, view.w, view.side, view.single]") == [1, 0.5, -1, 0.25, 31, True]
    csv = tab.evaluate("asCsv(shown, about())").splitlines()
    header = [line for line in csv if line.startswith("#")]
    rows = np.array([list(map(float, line.split(","))) for line in csv[len(header) + 1 :]])
    assert csv[len(header)] == "alpha,beta,C"
    assert rows.shape == (31 * 31, 3)
    expected = slices.evaluate(the_cost(), *frame, rows[:40, :2])
    np.testing.assert_allclose(rows[:40, 2], expected, rtol=1e-5)
    svg = tab.evaluate("asSvg(shown, drawn.scale, drawn.levels, colours, about())")
    assert svg.startswith("<svg ")
    assert svg.count("<rect ") > 31 * 31
    parsed = (
        "new DOMParser().parseFromString(asSvg(shown, drawn.scale, drawn.levels, colours, about()), 'image/svg+xml')"
    )
    assert tab.evaluate(f"{parsed}.querySelectorAll('parsererror').length") == 0
    png = tab.evaluate("$('surface').toDataURL()")
    assert base64.b64decode(png.split(",")[1]).startswith(b"\x89PNG")


@needs_browser
def test_a_ladder_is_interpolated_on_one_rung_and_gives_its_points(tmp_path, tab):
    path, frame = tmp_path / "page.html", frame_of(0)
    live.explorer(path, the_cost(), frame, images=300, live=False, zooms=[0.5, 1.0, 4.0], points=5, progress=False)
    whole(tab, path)
    assert tab.evaluate("$('kind').textContent").startswith("Not computed here")
    expected = [float(the_cost()(*frame.at(s))) for s in ([0.25, -0.5], [2.0, 4.0])]
    found = tab.evaluate("[[0.25, -0.5], [2, 4]].map(([a, b]) => costAt().at(a, b, images.on()))")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    between = [float(the_cost()(*frame.at(s))) for s in ([0.25, 0.25], [0.25, 0.5])]
    np.testing.assert_allclose(tab.evaluate("costAt().at(0.25, 0.375, images.on())"), np.mean(between), rtol=1e-5)
    assert tab.evaluate("Number.isNaN(costAt().at(5, 0, images.on()))")
    assert tab.evaluate("getComputedStyle($('bits').parentElement).display") == "none"
    assert tab.errors == []


@needs_browser
@pytest.mark.parametrize("is_live", [True, False])
def test_a_cost_without_classes_has_a_page_too(is_live, tmp_path, tab):
    random = np.random.default_rng(0)
    some = data.Images(*(jnp.asarray(random.normal(size=(40, k)), jnp.float32) for k in (6, 2)))
    C, frame = cost.Cost(some, network.mlp(jnp.tanh), losses.absolute), frame_of(0, (6, 5, 2))
    path = tmp_path / "page.html"
    options = {"zooms": [1.0, 4.0], "points": 3, "progress": False, "title": "@data@ & </script>"}
    assert live.explorer(path, C, frame, live=None if is_live else False, **options).live == is_live
    whole(tab, path, "#points=31&point=1,1")
    expected = float(C(*frame.at([1.0, 1.0])))
    assert tab.evaluate("costAt().at(1, 1, images.on())") == pytest.approx(expected, rel=1e-5)
    assert tab.evaluate("document.title") == tab.evaluate("page.title") == options["title"]
    assert tab.evaluate("document.querySelectorAll('#classes input').length") == 0
    assert tab.errors == []


@needs_browser
def test_a_page_says_where_C_is_not_finite(tmp_path, tab):
    C, frame, path = the_cost("sigmoid, cross-entropy"), frame_of(0), tmp_path / "page.html"
    wide = directions.Frame(jax.tree.map(lambda leaf: 1e3 * leaf, frame.origin), frame.directions)
    live.explorer(path, C, live.View(wide, 1e-3), images=30)
    whole(tab, path, "#points=31")
    assert "C was finite at no point tried" in tab.evaluate("$('kind').textContent")
    assert "961 points not finite" in tab.evaluate("$('state').textContent")
    assert tab.errors == []


OPERATIONS = {
    "elementwise": lambda p, x: jnp.exp(-jnp.abs(p)) + jnp.log1p(x**2) / jnp.sqrt(1 + p**2) + jnp.maximum(p, x) ** 3,
    "choice": lambda p, x: jnp.where((p > x) & ~(x < 0), jnp.sin(p), jnp.clip(x, -0.5, 0.5)),
    "softmax": lambda p, x: jax.nn.log_softmax(p * x) + jax.nn.gelu(x) + jax.nn.silu(p),
    "matrix": lambda p, x: p.reshape(3, 4).T @ jnp.outer(x[:3], x[4:8]),
    "moved": lambda p, x: jnp.concatenate([p.reshape(3, 4).T[::2].ravel(), x[1::2], jnp.arange(3.0)]),
    "sums": lambda p, x: p.reshape(2, 3, 2).sum((0, 2)) * x.reshape(3, 4).max(1) + x.reshape(3, 4).min(1).mean(),
    "broadcast": lambda p, x: p[:3, None] * x[None, :4] + x[0],
    "batched": lambda p, x: jnp.einsum("abc,adc->bad", p.reshape(2, 3, 2), x.reshape(2, 3, 2)),
    "a label": lambda p, x: jax.nn.log_softmax(x)[jnp.int32(3 + 0 * p[0])] + jnp.take(p, jnp.array([5, 1])),
    "beyond its ends": lambda p, x: jnp.stack([jnp.take(p, jnp.int32(20 + x[0])), lax.dynamic_slice(x, [11], [3])[0]]),
    "one number": lambda p, x: (p[:1] * 2 + x[0]).reshape(()) * jnp.array([1.0, 2.0]),
    "point alone": lambda p, x: jnp.tanh(p) @ jnp.ones(12) + 0 * x[0],
}


@needs_browser
@pytest.mark.parametrize("name", OPERATIONS)
def test_programs_in_javascript_compute_what_they_do_in_jax(name, tab):
    f, (p, x) = OPERATIONS[name], np.random.default_rng(1).normal(size=(2, 12))
    with jax.enable_x64(True):
        made = javascript.translated(lambda point, image: (f(point[0], image[0]),), (p,), (x,))
        expected = np.asarray(f(jnp.asarray(p), jnp.asarray(x)))
    assert made.shapes == (expected.shape,)
    source = json.dumps(made.source.replace("$F(", "("))
    tab.evaluate(f"var program = new Function('A', {source})(Float64Array)")
    tab.evaluate(f"program.point[0].set({p.tolist()}); program.image[0].set({x.tolist()})")
    found = tab.evaluate("program.atPoint(), program.atImage(), Array.from(program.results[0])")
    np.testing.assert_allclose(np.array(found, float), expected.ravel(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("f", [jnp.sort, jnp.cumsum, jnp.fft.fft, jax.scipy.special.erf])
def test_what_is_not_known_is_named(f):
    with pytest.raises(javascript.Untranslated, match=r"operation|complex"):
        javascript.translated(lambda point, image: (f(image[0] + point[0]),), (jnp.ones(4),), (jnp.ones(4),))
