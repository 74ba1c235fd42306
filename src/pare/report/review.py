"""The rows to review: a page that is worked by keyboard, and a CSV for whoever prefers one. Both are blind."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from pare.artifacts import write_table, write_whole
from pare.report.html import Html, join, tag
from pare.report.page import document
from pare.report.style import STYLE
from pare.search.review import NEITHER, Review

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

MORE = """
#text{font-size:1.4rem;white-space:pre-wrap;min-height:6rem;padding:1rem 0}
#options button,.keys button{font:inherit;padding:.6rem 1rem;margin:.2rem .4rem .2rem 0;cursor:pointer}
#options{display:flex;flex-wrap:wrap}#options .chosen{outline:3px solid currentColor}progress{width:100%}
"""


def write(found: Review, folder: Path) -> tuple[Path, Path]:
    """Writes ``review.csv``, to be filled in with an option, a label of the task or ``neither``, and ``review.html``."""
    sheet, page_ = folder / "review.csv", folder / "review.html"
    most = max((len(question.options) for question in found.questions), default=2)
    heading = ("id", "text", *(f"option_{number}" for number in range(1, most + 1)), "label")
    blank = [""] * most
    rows = ((q.id, q.text, *(*q.options, *blank)[:most], "") for q in found.questions)
    write_table(sheet, heading, rows)
    write_whole(page_, page(found))
    return sheet, page_


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
    data_block = Html(f'<script type="application/json" id="data">{packed}</script>')
    return document("pare review", join(body, data_block), SCRIPT, Html(STYLE + MORE))
