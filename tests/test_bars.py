"""Bars are seen on a terminal and nowhere else, and there is a switch for one call and one for a process."""

import io
import sys

import jax
import pytest

from jaxcost.engine import bars

on = pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "file"])


@pytest.fixture
def drawn(monkeypatch):
    """What a bar of three steps writes to standard error, a terminal or not; the last steps after so many seconds."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)

    def draw(terminal, seconds=10, **options):
        stream = io.StringIO()
        stream.isatty = lambda: terminal
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", stream)
            with bars.bar(3, "points", "point", **options) as bar:
                bar.start_t, bar.last_print_t = (
                    getattr(bar, name, 0) - seconds for name in ("start_t", "last_print_t")
                )
                bar.update(3 - options.get("initial", 0))
        return stream.getvalue()

    return draw


@on
def test_a_bar_is_drawn_on_a_terminal_alone_and_nothing_is_left_behind(terminal, drawn):
    text = drawn(terminal)
    assert ("points: 100%" in text) == terminal
    assert not text.rstrip("\r").rpartition("\r")[2].strip()


@on
def test_a_short_evaluation_shows_no_bar(terminal, drawn):
    assert "points" not in drawn(terminal, seconds=1)


@on
def test_progress_false_turns_it_off(terminal, drawn):
    assert bars.wanted()
    assert not bars.wanted(progress=False)
    assert not drawn(terminal, progress=False)


@on
@pytest.mark.parametrize(("value", "off"), [("1", True), ("true", True), ("0", False), ("", False), ("False", False)])
def test_the_environment_turns_all_off_at_any_time(value, off, terminal, drawn, monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", value)
    assert bars.wanted() != off
    assert ("points" in drawn(terminal)) == (terminal and not off)


def test_the_first_of_several_processes_alone_tells(drawn, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert not bars.wanted()
    assert not drawn(True)


def test_a_bar_that_goes_on_begins_where_it_was(drawn):
    assert "3/3" in drawn(True, initial=1)
