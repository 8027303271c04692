"""The layer table."""

from striate.report.layers import build_network
from tests.report.samples import sample


def test_every_row_of_every_stage_is_there_once():
    found = sample("resnet18")
    section = build_network(found)
    shown = [line.address for group in section.groups for line in group.lines]
    assert len(shown) == len(set(shown))
    leaves = {row.address for row in found.summary.rows if row.leaf}
    assert leaves <= set(shown)
    assert section.layers == len(leaves)


def test_a_stage_says_what_it_spans():
    found = sample("resnet18")
    for group, stage in zip(build_network(found).groups, found.summary.stages, strict=True):
        assert (group.first, group.last) == tuple(found.summary.rows[stage.rows[end]].address for end in (0, -1))


def test_totals_and_fields_are_the_summarys():
    found = sample("resnet18")
    section = build_network(found)
    assert section.parameters_exact == f"{found.summary.parameters:,}"
    line = next(line for group in section.groups for line in group.lines if line.address == "layer2.0.conv1")
    row = found.summary.row("layer2.0.conv1")
    assert line.macs_exact == f"{row.macs:,}"
    assert line.parameters_exact == f"{row.parameters:,}"
    assert line.shape == "128\u00a0×\u00a08\u00a0×\u00a08"
    assert line.field == f"{row.field.size[0]}\u00a0×\u00a0{row.field.size[1]}"
    assert line.stride == "8"
    assert (line.short, line.level) == ("conv1", 3)


def test_containers_carry_the_sum_of_what_is_inside():
    found = sample("resnet18")
    line = next(x for group in build_network(found).groups for x in group.lines if x.address == "layer2")
    assert not line.leaf
    assert line.macs_exact == f"{found.summary.row('layer2').total_macs:,}"
