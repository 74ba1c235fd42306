"""The rows to review: a page that is worked by keyboard, and a CSV for whoever prefers one. Both are blind."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from pathlib import Path

import msgspec

from pare.artifacts import write_whole
from pare.report.html import Html, tag
from pare.report.style import STYLE
from pare.search.review import NEITHER, Review

COLUMNS = ("id", "text", "option_1", "option_2", "label")

SCRIPT = Html("""(() => {
const data = JSON.parse(document.getElementById('data').textContent);
const key = 'pare-review-' + data.key, said = JSON.parse(localStorage.getItem(key) || '{}');
const $ = id => document.getElementById(id), rows = data.questions;
let at = rows.findIndex(row => !(row.id in said));
if (at < 0) at = rows.length;
const save = () => localStorage.setItem(key, JSON.stringify(said));
function show() {
  const row = rows[at], done = rows.filter(row => row.id in said).length;
  $('count').textContent = `${done} of ${rows.length} labelled`;
  $('bar').value = done;
  $('text').textContent = row ? row.text : 'All rows have a label. Save the CSV, then: pare review RUN --labels review.csv';
  $('options').replaceChildren(...(row ? row.options.map((option, i) => button(`${i + 1}`, option)) : []));
  $('other').value = '';
  for (const b of $('options').children) if (row && said[row.id] === b.dataset.label) b.className = 'chosen';
}
function button(key, label) {
  const made = document.createElement('button');
  made.textContent = `${key}  ${label}`; made.dataset.label = label;
  made.onclick = () => answer(label);
  return made;
}
function answer(label) {
  if (at < rows.length) { said[rows[at].id] = label; save(); at++; show(); }
}
function move(by) { at = Math.min(rows.length, Math.max(0, at + by)); show(); }
$('neither').onclick = () => answer(data.neither);
$('back').onclick = () => move(-1);
$('skip').onclick = () => move(1);
$('other').onchange = event => data.labels.includes(event.target.value) && answer(event.target.value);
$('save').onclick = () => {
  const quote = value => '"' + value.replaceAll('"', '""') + '"';
  const lines = rows.filter(row => row.id in said).map(row => [row.id, said[row.id]].map(quote).join(','));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(['id,label\\n' + lines.join('\\n') + '\\n'], {type: 'text/csv'}));
  link.download = 'review.csv'; link.click();
};
document.addEventListener('keydown', event => {
  if (event.target.tagName === 'INPUT' || event.ctrlKey || event.metaKey || event.altKey) return;
  const row = rows[at], number = Number(event.key);
  if (row && number >= 1 && number <= row.options.length) answer(row.options[number - 1]);
  else if (event.key === '0') answer(data.neither);
  else if (event.key === 'ArrowLeft') move(-1);
  else if (event.key === 'ArrowRight') move(1);
  else if (event.key === 's') $('save').click();
});
show();
})();
""")

POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
)
MORE = """
#text{font-size:1.4rem;white-space:pre-wrap;min-height:6rem;padding:1rem 0}
#options button,.keys button{font:inherit;padding:.6rem 1rem;margin:.2rem .4rem .2rem 0;cursor:pointer}
#options{display:flex;flex-wrap:wrap}#options .chosen{outline:3px solid currentColor}progress{width:100%}
"""


def write(found: Review, folder: Path) -> tuple[Path, Path]:
    """Writes ``review.csv`` and ``review.html`` into a folder and returns their paths."""
    sheet, page_ = folder / "review.csv", folder / "review.html"
    write_whole(sheet, table(found))
    write_whole(page_, page(found))
    return sheet, page_


def table(found: Review) -> str:
    """The rows as CSV, to be filled in: one option in ``label``, another label of the task, or ``neither``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for question in found.questions:
        first, second = (*question.options, "")[:2]
        writer.writerow((question.id, question.text, first, second, ""))
    return out.getvalue()


def page(found: Review) -> Html:
    """One self-contained page. Answers stay in the browser until they are saved as CSV."""
    key = hashlib.blake2b("".join(question.id for question in found.questions).encode(), digest_size=8).hexdigest()
    data = {"key": key, "neither": NEITHER, "labels": found.labels, "questions": found.questions}
    # a text that holds the end of a script must not end this one
    packed = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    body = [
        tag("h1", "Which answer is right?"),
        tag(
            "p",
            "Two models differ on these; who said what is hidden. Keys: 1 and 2 choose, 0 neither, ← → move, s save.",
        ),
        tag("progress", id="bar", max=len(found.questions), value=0),
        tag("p", id="count"),
        tag("p", id="text"),
        tag("div", id="options"),
        tag(
            "div",
            tag("button", "0  neither", id="neither"),
            tag("input", list="labels", id="other", placeholder="another label"),
            tag("button", "← back", id="back"),
            tag("button", "skip →", id="skip"),
            tag("button", "save CSV", id="save"),
            class_="keys",
        ),
        tag("datalist", [tag("option", value=label) for label in found.labels], id="labels"),
    ]
    whole = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", "pare review"),
            tag("style", Html(STYLE + MORE)),
        ),
        tag(
            "body",
            tag("main", body),
            Html(f'<script type="application/json" id="data">{packed}</script>'),
            tag("script", SCRIPT),
        ),
        lang="en",
    )
    return Html(f"<!doctype html>\n{whole}\n")
