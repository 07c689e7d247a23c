"""Directions are what they say: norms, angles, and the points that they lead to."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import directions, network, trajectories
from jaxcost.engine import trees


@pytest.fixture(scope="module")
def params():
    return network.init(jax.random.key(0), (30, 8, 4))


@pytest.fixture
def u(params):
    return directions.gaussian(jax.random.key(1), params)


def flat(tree):
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])


def test_gaussian_directions_are_standard_normal_and_all_but_orthogonal():
    params = network.init(jax.random.key(0))
    drawn = np.stack([flat(directions.gaussian(jax.random.key(i), params)) for i in range(8)])
    assert abs(drawn.mean()) < 4 / np.sqrt(drawn.size)
    assert abs(drawn.std() - 1) < 4 / np.sqrt(2 * drawn.size)
    gram = np.corrcoef(drawn)
    assert abs(gram[~np.eye(8, dtype=bool)]).max() < 5 / np.sqrt(13002)


def test_every_row_of_a_filter_normalised_direction_is_as_long_as_the_networks(params, u):
    d = directions.filter_normalized(u, params)
    for d_w, u_w, w in zip(d.w, u.w, params.w, strict=True):
        for row, drawn, weights in zip(*(np.asarray(a, np.float64) for a in (d_w, u_w, w)), strict=True):
            assert np.linalg.norm(row) == pytest.approx(np.linalg.norm(weights), rel=1e-5)
            assert row @ drawn == pytest.approx(np.linalg.norm(row) * np.linalg.norm(drawn), rel=1e-5)  # its direction


def test_the_axis_of_neurons_may_be_the_last_and_kernels_of_any_rank(params):
    tree = ({"conv": jnp.asarray(np.ones((3, 3, 2, 5)) * np.arange(1, 6), jnp.float32), "dense": params.w[0].T},)
    drawn = directions.gaussian(jax.random.key(2), tree)
    (d,) = directions.filter_normalized(drawn, tree, axis=-1)
    with pytest.raises(ValueError, match="axis=2, expected one of the 2 axes"):
        directions.filter_normalized(drawn, tree, axis=2)
    for j in range(5):
        assert np.linalg.norm(d["conv"][..., j]) == pytest.approx((j + 1) * np.sqrt(18), rel=1e-5)
    np.testing.assert_allclose(np.linalg.norm(d["dense"], axis=0), np.linalg.norm(tree[0]["dense"], axis=0), rtol=1e-5)


@pytest.mark.parametrize("normalize", [directions.filter_normalized, directions.layer_normalized])
def test_the_rule_for_biases(normalize, params, u):
    for b in normalize(u, params).b:
        assert not np.any(b)
    for b, p in zip(normalize(u, params, biases="vector").b, params.b, strict=True):
        assert np.linalg.norm(b) == pytest.approx(np.linalg.norm(p), rel=1e-5)
    for b, p in zip(normalize(u, params, biases="entry").b, params.b, strict=True):
        np.testing.assert_allclose(np.abs(b), np.abs(p), rtol=1e-5)
    with pytest.raises(ValueError, match="expected one of 'zero', 'vector', 'entry'"):
        normalize(u, params, biases="keep")


def test_layer_normalised_directions_are_as_long_as_the_layers_and_point_as_drawn(params, u):
    for d, drawn, w in zip(directions.layer_normalized(u, params).w, u.w, params.w, strict=True):
        np.testing.assert_allclose(d, drawn * np.linalg.norm(w) / np.linalg.norm(drawn), rtol=1e-5)


def test_a_neuron_without_weights_gets_none_and_no_nan(params, u):
    dead = params._replace(w=(params.w[0].at[3].set(0), params.w[1]))
    assert not np.any(directions.filter_normalized(u, dead).w[0][3])
    still = u._replace(w=(u.w[0].at[3].set(0), u.w[1]))
    assert not np.any(directions.filter_normalized(still, params).w[0][3])
    assert np.isfinite(flat(directions.filter_normalized(still, params, biases="entry"))).all()


@pytest.mark.parametrize("tilt", [1.0, 1e-3])
def test_an_orthonormal_pair_spans_the_same_plane(params, u, tilt):
    v = jax.tree.map(lambda a, b: a + tilt * b, u, directions.gaussian(jax.random.key(2), params))
    e, f = map(flat, directions.orthonormal(u, v))
    np.testing.assert_allclose([e @ e, f @ f, e @ f], [1, 1, 0], atol=2e-6)
    residual = np.linalg.lstsq(np.stack([e, f], 1), np.stack([flat(u), flat(v)], 1), rcond=None)[1]
    assert (residual < 1e-8 * (flat(v) @ flat(v))).all()


def test_parallel_directions_span_no_plane(params, u):
    with pytest.raises(ValueError, match="span no plane"):
        directions.orthonormal(u, jax.tree.map(lambda a: -2 * a, u))
    with pytest.raises(ValueError, match="span no plane"):
        directions.orthonormal(u, jax.tree.map(jnp.zeros_like, u))
    with pytest.raises(ValueError, match="span no plane"):
        directions.through(params, u, u)


def test_between_and_through_pass_through_their_networks(params):
    a, b, c = params, network.init(jax.random.key(1), (30, 8, 4)), network.init(jax.random.key(2), (30, 8, 4))
    np.testing.assert_allclose(flat(a) + flat(directions.between(a, b)), flat(b), rtol=1e-5, atol=1e-6)
    uv = directions.through(a, b, c)
    here, off = trajectories.coordinates([a, b, c], a, uv)
    assert off.max() < 1e-4
    np.testing.assert_allclose(here[0], 0, atol=1e-6)
    np.testing.assert_allclose(here[1], [np.linalg.norm(flat(b) - flat(a)), 0], atol=1e-4)
    assert np.hypot(*here[2]) == pytest.approx(np.linalg.norm(flat(c) - flat(a)), rel=1e-5)


def test_cosine_is_of_the_whole_vectors(params, u):
    v = directions.gaussian(jax.random.key(9), params)
    assert directions.cosine(u, v) == pytest.approx(
        flat(u) @ flat(v) / np.linalg.norm(flat(u)) / np.linalg.norm(flat(v)), abs=1e-6
    )


# random directions and their recipes


@pytest.mark.parametrize(
    ("options", "normalized"),
    [
        ({}, directions.filter_normalized),
        ({"axis": -1}, lambda u, p: directions.filter_normalized(u, p, axis=-1)),
        ({"biases": "vector"}, lambda u, p: directions.filter_normalized(u, p, biases="vector")),
        ({"normalize": "layer", "biases": "entry"}, lambda u, p: directions.layer_normalized(u, p, biases="entry")),
        ({"normalize": None}, lambda u, p: u),
    ],
    ids=["as told nowhere", "axis", "biases", "layer", "as drawn"],
)
def test_random_directions_are_drawn_one_a_key_and_normalised_as_asked(params, options, normalized):
    key = jax.random.key(3)
    expected = [normalized(directions.gaussian(one, params), params) for one in jax.random.split(key, 3)]
    drawn = directions.random(key, params, 3, **options)
    recipes = directions.recipes(key, 3, **options)
    assert len(drawn) == len(recipes) == 3
    for direction, recipe, wanted in zip(drawn, recipes, expected, strict=True):
        assert type(direction) is network.Params
        for found in (direction, recipe.of(params), recipe.of(params)):
            np.testing.assert_array_equal(flat(found), flat(wanted))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
def test_keys_of_any_kind_make_directions(params, impl):
    key = jax.random.key(3, impl=impl)
    (u,), (v,) = directions.random(key, params), directions.random(jax.random.fold_in(key, 1), params)
    assert abs(directions.cosine(u, v)) < 0.5
    np.testing.assert_array_equal(flat(u), flat(directions.recipes(key)[0].of(params)))


def test_a_recipe_fits_any_network_and_takes_no_memory(params):
    (recipe,) = directions.recipes(jax.random.key(0))
    other = network.init(jax.random.key(1), (5, 4))
    assert network.size(recipe.of(other)) == network.size(other)
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(recipe) if hasattr(leaf, "nbytes")) < 100


def test_options_that_are_none_are_named(params):
    for f in (partial(directions.random, jax.random.key(0), params), partial(directions.recipes, jax.random.key(0))):
        with pytest.raises(ValueError, match="normalize='row', expected one of 'filter', 'layer', None"):
            f(normalize="row")
        with pytest.raises(ValueError, match="biases='keep', expected one of 'zero', 'vector', 'entry'"):
            f(biases="keep")


def test_vectors_alone_are_not_silently_left_without_a_direction():
    """The angles of a circuit are no biases, but look like them."""
    angles = {"angles": jnp.ones(6), "shift": jnp.array(0.5)}
    u = directions.gaussian(jax.random.key(0), angles)
    for refused in (
        lambda: directions.filter_normalized(u, angles),
        lambda: directions.layer_normalized(u, angles),
        lambda: directions.random(jax.random.key(0), angles),
        lambda: directions.recipes(jax.random.key(0))[0].of(angles),
    ):
        with pytest.raises(ValueError, match=r"vectors and numbers alone.*Expected biases='vector' or 'entry'"):
            refused()
    (of_vectors,) = directions.random(jax.random.key(0), angles, biases="vector")
    assert np.linalg.norm(of_vectors["angles"]) == pytest.approx(np.sqrt(6))
    (of_entries,) = directions.random(jax.random.key(0), angles, biases="entry")
    np.testing.assert_allclose(np.abs(flat(of_entries)), flat(angles), rtol=1e-6)
    assert np.any(directions.random(jax.random.key(0), angles, normalize=None)[0]["angles"])


# trees that do not fit


def shortened(params):
    return params._replace(b=(params.b[0][:1], params.b[1]))


@pytest.mark.parametrize("spoil", [tuple, shortened, lambda p: p._replace(w=p.w[:1])])
def test_a_direction_or_network_of_another_structure_is_named_and_never_broadcast(params, u, spoil):
    for f, name in (
        (directions.filter_normalized, "the direction"),
        (directions.layer_normalized, "the direction"),
        (lambda d, p: directions.between(p, d), "b"),
        (lambda d, p: directions.through(p, p, d), "b"),
        (lambda d, p: directions.at(p, (u, d), [0.0, 1.0]), "direction 1"),
    ):
        with pytest.raises(ValueError, match=rf"^{name} is like .*; expected it to be like the origin"):
            f(spoil(u), params)


# the central equation


def moved(origin, along, s):
    """P(s) in numpy, in float64, leaf by leaf."""
    as64 = lambda leaf: np.asarray(leaf, np.float64)
    return [
        as64(p) + sum(c * as64(d) for c, d in zip(s, ds, strict=True))
        for p, *ds in zip(*map(jax.tree.leaves, (origin, *along)), strict=True)
    ]


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_the_points_of_a_frame_are_the_central_equation(params, k):
    along = directions.random(jax.random.key(1), params, k, biases="vector")
    s = np.random.default_rng(k).normal(size=k)
    frame = directions.Frame(params, along)
    of_recipes = directions.Frame(params, directions.recipes(jax.random.key(1), k, biases="vector"))
    for found in (frame.at(s), directions.at(params, along, s.tolist()), of_recipes.at(jnp.asarray(s))):
        assert type(found) is network.Params
        for leaf, expected in zip(jax.tree.leaves(found), moved(params, along, s), strict=True):
            assert leaf.dtype == jnp.float32
            np.testing.assert_allclose(leaf, expected, rtol=1e-5, atol=1e-6)


def test_in_float64_it_is_exact(params, x64):
    wide = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
    along, s = directions.random(jax.random.key(1), wide, 2), [0.3, -1.7]
    for leaf, expected in zip(jax.tree.leaves(directions.at(wide, along, s)), moved(wide, along, s), strict=True):
        assert leaf.dtype == jnp.float64
        np.testing.assert_allclose(leaf, expected, rtol=1e-14)


def mixed():
    """A tree of leaves of many types, only some of which move."""
    return {
        "steps": jnp.array(7),
        "mask": jnp.array([True, False]),
        "key": jax.random.key(5),
        "narrow": jnp.array([1.0, 2.0], jnp.bfloat16),
        "half": jnp.ones((2, 3), jnp.float16),
        "wide": jnp.ones((3, 2)),
        "scale": 0.5,
        "act": jnp.tanh,
        "name": "relu",
        "depth": 2,
    }


MOVES = ("narrow", "half", "wide", "scale")


def test_types_are_kept_and_what_does_not_move_stays_as_it_is():
    tree = (mixed(),)
    along = [directions.gaussian(jax.random.key(i), tree) for i in (0, 1)]
    ((found,), origin) = directions.at(tree, along, [0.25, 2.0]), tree[0]
    for name in MOVES:
        expected = np.float64(origin[name]) + 0.25 * np.float64(along[0][0][name]) + 2 * np.float64(along[1][0][name])
        assert found[name].dtype == jnp.asarray(origin[name]).dtype
        np.testing.assert_allclose(
            np.float64(found[name]), expected, atol=4 * np.abs(expected).max() * float(jnp.finfo(found[name].dtype).eps)
        )
    for name in ("steps", "mask"):
        np.testing.assert_array_equal(found[name], origin[name])
        assert found[name].dtype == origin[name].dtype
    assert (jax.random.key_data(found["key"]) == jax.random.key_data(origin["key"])).all()
    assert (found["act"], found["name"], found["depth"]) == (jnp.tanh, "relu", 2)


def test_in_a_direction_numbers_that_do_not_move_are_0():
    tree = (mixed(),)
    u, v = (directions.gaussian(jax.random.key(i), tree) for i in (0, 1))
    made = [u, *directions.random(jax.random.key(1), tree, 2), *directions.orthonormal(u, v)]
    made += [directions.layer_normalized(u, tree), directions.between(tree, directions.at(tree, (u,), [1.0]))]
    for (direction,) in made:
        assert set(direction) == set(tree[0])
        for name, leaf in direction.items():
            if name in MOVES:
                assert leaf.shape == jnp.shape(tree[0][name])
                assert leaf.dtype in (jnp.asarray(tree[0][name]).dtype, jnp.float32)
        assert direction["steps"] == 0
        assert not direction["mask"].any()
        assert (direction["act"], direction["name"], direction["depth"]) == (jnp.tanh, "relu", 2)
    (between,) = made[-1]
    np.testing.assert_allclose(between["wide"], u[0]["wide"], rtol=1e-5, atol=1e-6)


def test_coordinates_are_not_rounded_to_the_type_of_a_narrow_leaf():
    """0.3 is no number of bfloat16, and 1 + 0.3 * 4 rounds to another one than 1 + bfloat16(0.3) * 4 would."""
    narrow = (jnp.array([1.0, 3.0, 100.0], jnp.bfloat16),)
    u = (jnp.array([4.0, 7.0, 250.0], jnp.bfloat16),)
    for s in (0.3, 0.7, 0.123):
        for given in ([s], np.array([s]), jnp.array([s])):
            (found,) = directions.at(narrow, (u,), given)
            expected = jnp.asarray(np.float32(narrow[0]) + np.float32(s) * np.float32(u[0]), jnp.bfloat16)
            np.testing.assert_array_equal(np.float32(found), np.float32(expected))


def test_the_points_of_a_frame_can_be_differentiated_by_the_coordinates(params):
    u, v = directions.random(jax.random.key(1), params, 2)
    slopes = jax.jacobian(lambda s: directions.at(params, (u, v), s))(jnp.array([0.3, 0.2]))
    for slope, *along in zip(*map(jax.tree.leaves, (slopes, u, v)), strict=True):
        np.testing.assert_allclose(slope, np.stack(along, -1), rtol=1e-6)


@pytest.mark.parametrize("spoil", [0.0, jnp.nan, jnp.inf])
def test_a_direction_that_leads_nowhere_is_refused_by_its_number(params, u, spoil):
    """One of length 0 would draw a constant plane."""
    nowhere = jax.tree.map(lambda leaf: leaf * 0, u)
    nowhere = nowhere if spoil == 0 else nowhere._replace(b=(nowhere.b[0], nowhere.b[1].at[2].set(spoil)))
    message = f"direction 1 has the largest entry {float(spoil)}, expected one that is finite and not 0"
    with pytest.raises(ValueError, match=message):
        directions.Frame(params, (u, nowhere)).at([0.1, 0.2])
    for f in (directions.filter_normalized, directions.layer_normalized):
        with pytest.raises(ValueError, match="direction 0 has the largest entry"):
            f(nowhere, params)
    with pytest.raises(ValueError, match="expected two that do"):
        directions.orthonormal(u, nowhere)


def test_what_is_traced_is_not_looked_into(params, u):
    at = jax.jit(lambda u, s: directions.at(params, (u,), s))
    for a, b in zip(*map(jax.tree.leaves, (at(u, jnp.array([0.5])), directions.at(params, (u,), [0.5]))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_small_numbers_are_a_direction(x64):
    tiny = (jnp.full(3, 1e-300),)
    assert directions.at((jnp.zeros(3),), (tiny,), [1.0])[0].tolist() == [1e-300] * 3


def test_coordinates_that_do_not_fit_and_origins_that_do_not_move_are_named(params, u):
    for s in ([1.0, 2.0], [], 1.0, [[1.0]]):
        with pytest.raises(ValueError, match=r"expected one a direction, \[1\]"):
            directions.at(params, (u,), s)
    for still in ((), {"steps": jnp.array(3)}, (jnp.tanh,)):
        with pytest.raises(ValueError, match="nothing moves in the origin"):
            directions.at(still, (), [])


# some leaves held


@pytest.mark.parametrize(
    ("options", "moves"),
    [
        ({"only": ".w[1]"}, [".w[1]"]),
        ({"only": [".w[1]", ".w[0]"]}, [".w[0]", ".w[1]"]),
        ({"only": "w"}, [".w[0]", ".w[1]", ".w[2]"]),
        ({"without": "w[0]"}, [".w[1]", ".w[2]", ".b[0]", ".b[1]", ".b[2]"]),
        ({"only": "w", "without": lambda path: "[2]" in path}, [".w[0]", ".w[1]"]),
        ({"only": lambda path: path.endswith("[2]")}, [".w[2]", ".b[2]"]),
    ],
)
def test_leaves_that_are_held_do_not_move_and_the_rest_is_as_before(options, moves):
    params, key = network.init(jax.random.key(0), (5, 4, 3, 2)), jax.random.key(1)
    for biases in ("vector", "entry"):
        (free,), (some,) = (directions.random(key, params, biases=biases, **its) for its in ({}, options))
        along, paths = directions.at(params, (some,), [0.7]), trees.paths(params)
        for path, before, after, *ends in zip(paths, *map(jax.tree.leaves, (free, some, params, along)), strict=True):
            np.testing.assert_array_equal(after, before if path in moves else 0 * before)
            assert bool((ends[0] != ends[1]).any()) == (path in moves)
    drawn, all_drawn = directions.gaussian(key, params, **options), directions.gaussian(key, params)
    jax.tree.map(np.testing.assert_array_equal, directions.held(all_drawn, **options), drawn)


def test_recipes_hold_the_same_leaves():
    params, key = network.init(jax.random.key(0), (5, 4, 3)), jax.random.key(1)
    made = directions.recipes(key, 2, only=[".w"], without=".w[0]")
    for recipe, one in zip(made, directions.random(key, params, 2, only=".w[1]"), strict=True):
        jax.tree.map(np.testing.assert_array_equal, recipe.of(params), one)
    with pytest.raises(ValueError, match=r"only=<function .*, expected text of a path"):
        directions.recipes(key, only=lambda path: True)


def test_where_nothing_is_left_to_move_the_paths_are_named():
    params, key = network.init(jax.random.key(0), (5, 4, 3)), jax.random.key(1)
    for options, message in (
        ({"only": "w", "without": [".w[0]", "w[1]"]}, r"none of \.w\[0\], \.w\[1\], \.b\[0\], \.b\[1\] is kept"),
        ({"only": ".w[7]"}, r"only='\.w\[7\]', expected text that is in one of \.w\[0\], "),
        ({"without": ""}, r"without='', expected text of a path"),
        ({"only": 3}, r"only=3, expected text of a path"),
        ({"only": "b"}, r"with biases='zero' nothing moves"),
    ):
        with pytest.raises(ValueError, match=message):
            directions.random(key, params, **options)


def test_a_text_is_of_whole_names():
    """As in trees of other libraries, where layers are counted."""
    params = ({"params": {name: {"kernel": jnp.ones((2, 2))} for name in ("Dense_1", "Dense_10")}, "steps": 3},)
    (u,) = directions.random(jax.random.key(0), params, only="Dense_1")
    moves = {name: bool(leaf["kernel"].any()) for name, leaf in u[0]["params"].items()}
    assert moves == {"Dense_1": True, "Dense_10": False}
