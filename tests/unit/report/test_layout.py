"""The page in a real browser: nothing is cut at 1,280 pixels, and where a narrow page cuts, it says so."""

import re
import shutil
import subprocess

import pytest

from pare.report.page import write
from pare.testing.studies import fake_study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LABELS = (
    "card_payment_wrong_exchange_rate",
    "balance_not_updated_after_cheque_or_cash_deposit",
    "transfer_not_received_by_recipient",
    "wrong_amount_of_cash_received",
    "top_up_by_bank_transfer_charge",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@pytest.fixture(scope="module")
def report(folder):
    made = fake_study(folder / "long", labels=LABELS, rows=200)
    return write(made.study, made.dev, made.calibration)


def clipped(report, width):
    """The boxes of tables that are wider than the page lets them be, out of all: the page's own script marks them."""
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},1000", "--dump-dom")
    done = subprocess.run([CHROMIUM, *flags, report.as_uri()], capture_output=True, text=True, check=False, timeout=60)
    if "</main>" not in done.stdout:
        pytest.skip(f"chromium shows no page here: {done.stderr[-200:]}")
    boxes = re.findall(r'<div class="box([^"]*)"', done.stdout)
    assert len(boxes) > 8
    return boxes


def test_no_table_is_cut_at_1280_pixels(report):
    assert not any(clipped(report, 1280))


def test_a_narrow_page_marks_what_is_cut(report):
    boxes = clipped(report, 500)
    assert " clipped more" in boxes
    assert "" in boxes
