"""Where it comes from."""

from dataclasses import replace

from striate.report.provenance import build_provenance
from tests.report.samples import sample


def facts(section):
    return {fact.name: fact.value for fact in (*section.weights, *section.run, *section.settings)}


def test_weights_run_and_settings_are_named():
    section = build_provenance(sample())
    named = facts(section)
    assert named["Weights"] == "squeezenet1_1.test"
    assert named["License"] == "Apache-2.0"
    assert named["SHA-256"] == "ab" * 32
    assert named["Scores as published"] == "top-1 74.9\u00a0%"
    assert "Scores measured again" not in named
    assert named["Device"] == "cpu, 2 threads"
    assert named["Versions"] == "striate 0.1.0, torch 2.13.0"
    assert named["window"] == "16"
    assert section.command == "striate explain disk.png"


def test_times_add_up_to_all():
    section = build_provenance(sample())
    assert section.total == "2.0\u00a0s"
    assert [timing.name for timing in section.timings] == ["loading", "saliency", "occlusion", "the rest"]
    assert sum(timing.width for timing in section.timings) == 100


def test_an_explanation_without_provenance_says_little():
    section = build_provenance(replace(sample(), provenance={}, weights={}))
    assert facts(section) == {"Weights": "of unknown origin", "Photo": "disk.png, 180 × 120 px"}
    assert section.timings == ()
    assert section.command == ""
