import pytest

from pare import catalog
from pare.report.figures import count, figures, flops, monthly, points, ratio_of, shown, significant, times
from pare.types import Candidate, Measurement, Part, Quantity, Shape, Trial

ENCODER = Shape(
    "bert",
    (Part("layers.0.ffn", 100, flops_per_token=200.0), Part("head", 10, flops_per_request=20.0)),
    attention_flops=4.0,
)
LINEAR = Shape("linear", (Part("features", 100, bits=8, flops_per_request=70.0),))


def tokens(value):
    return Quantity(value, "tokens", "measured", "the mean of the dev rows")


def trial(shape=ENCODER, measurement=None, size=1000):
    return Trial(
        Candidate("x", "", (), "arrays"),
        0,
        1.0,
        "done",
        artifact="a",
        shape=shape,
        size_bytes=size,
        measurement=measurement,
    )


def test_flops_need_the_number_of_tokens():
    assert flops(ENCODER, None) is None
    found = flops(ENCODER, tokens(10.0))
    assert found.value == 10 * (200 + 4 * 10) + 20
    assert found.provenance == "modelled"
    assert "10.0 tokens a request, measured: the mean of the dev rows" in found.source


def test_flops_of_a_linear_model_need_no_tokens():
    assert flops(LINEAR, None).value == 70


def test_an_unknown_figure_is_absent_and_never_zero():
    found = figures(trial(size=0), None)
    assert set(found) == {"parameters"}
    assert shown("latency_p50_ms", None) == "–"


def test_sizes_are_measured_and_unbuilt_parameters_are_modelled():
    assert figures(trial(), tokens(5.0))["size_bytes"].provenance == "measured"
    planned = Trial(Candidate("x", "", (), "arrays"), 0, 1.0, "excluded", shape=LINEAR)
    assert figures(planned, None)["parameters"].provenance == "modelled"


def test_monthly_figures_follow_from_those_per_thousand():
    found = monthly(
        {
            "cost_usd_per_1k": Quantity(0.002, "USD", "modelled", "by the hour"),
            "energy_j_per_1k": Quantity(7.2, "J", "measured", "RAPL"),
            "throughput_per_s": Quantity(100.0, "1/s", "measured", "clock"),
        },
        Quantity(30_000.0, "requests", "measured", "a log"),
    )
    volume = 30_000.0
    kwh = 7.2 * volume / 1000 / 3.6e6
    assert found["cost_usd_per_month"].value == pytest.approx(0.002 * volume / 1000)
    assert found["energy_kwh_per_month"].value == pytest.approx(kwh)
    assert found["busy_s_per_month"].value == pytest.approx(volume / 100)
    grid = catalog.fact("serving", "grid_intensity_kg_per_kwh").value
    assert found["co2_kg_per_month"].value == pytest.approx(kwh * grid)
    assert {quantity.provenance for quantity in found.values()} == {"modelled"}
    assert "RAPL" in found["energy_kwh_per_month"].source


def test_monthly_of_nothing_is_nothing():
    assert monthly({}, Quantity(1e6, "requests", "assumed", "")) == {}


def test_a_providers_price_has_paid_for_the_electricity():
    energy = {"energy_j_per_1k": Quantity(864_000.0, "J", "assumed", "a provider's median")}
    volume = Quantity(1e6, "requests", "assumed", "")
    assert "electricity_usd_per_month" in monthly(energy, volume)
    assert set(monthly(energy, volume, own=False)) == {"energy_kwh_per_month", "co2_kg_per_month"}


def test_ratios_say_how_many_times_better():
    slow, fast = Quantity(4.0, "ms", "measured", ""), Quantity(1.0, "ms", "measured", "")
    assert ratio_of(slow, fast, "low") == 4
    assert ratio_of(slow, fast, "high") == 0.25
    assert ratio_of(slow, Quantity(0.0, "ms", "measured", ""), "low") is None
    assert ratio_of(None, fast, "low") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.66, "0.660"), (41.26, "41.3"), (6012.2, "6,012"), (0.0312, "0.0312"), (9.999, "10.00")],
)
def test_three_significant_digits(value, text):
    assert significant(value) == text


def test_words_for_people():
    assert points(-0.006) == "\u22120.6"
    assert points(0.0001) == "0.0"
    assert count(22_713_216) == "22.7 M"
    assert times(21.6) == "22x"
    assert times(0.37) == "0.37x"
    assert shown("size_bytes", Quantity(4_130_000, "bytes", "measured", "")) == "4.13 MB"
    assert shown("energy_kwh_per_month", Quantity(0.000555, "kWh", "modelled", "")) == "0.555 Wh"
    assert shown("cost_usd_per_1k", Quantity(0.0000033, "USD", "modelled", "")) == "$0.0000033"
    assert shown("cost_usd_per_month", Quantity(1234.5, "USD", "modelled", "")) == "$1,234.50"


def test_measured_figures_pass_through():
    quantity = Quantity(1.5, "ms", "measured", "clock")
    measurement = Measurement("a", "openvino", "cpu", "process", "w", {"latency_p50_ms": quantity})
    assert figures(trial(measurement=measurement), tokens(3.0))["latency_p50_ms"] is quantity
