"""The report's style and its script: all that the page needs, in the page."""

from __future__ import annotations

import base64
import hashlib

from pare.report.html import Html

STYLE = Html("""
:root{--paper:#fff;--tint:#f6f7f8;--ink:#1b2127;--soft:#5a6672;--faint:#8a949e;--rule:#e2e6ea;--accent:#1f5fbf;
--accent-tint:#e8f0fb;--pass:#197a48;--pass-tint:#e7f4ec;--fail:#b3312a;--fail-tint:#fbeae9;--unproven:#8a6100;
--unproven-tint:#fbf3df;--ok:#197a4812}
@media (prefers-color-scheme:dark){:root{--paper:#14181c;--tint:#1c2126;--ink:#e4e8eb;--soft:#a3adb7;--faint:#77828c;
--rule:#2c333a;--accent:#7db2ff;--accent-tint:#1b2a40;--pass:#62c991;--pass-tint:#16291f;--fail:#f08c84;
--fail-tint:#331c1b;--unproven:#e0b350;--unproven-tint:#2e2614;--ok:#62c99114}}
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue","Liberation Sans",Arial,sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1200px;margin:0 auto;padding:40px 28px 80px}
h1,h2,h3,p,dl,dd,ul,ol,figure{margin:0}
h2{font-size:22px;line-height:1.25;font-weight:650;letter-spacing:-.01em;margin:64px 0 6px;padding-top:22px;
border-top:1px solid var(--rule)}
h3{font-size:15px;font-weight:650;margin:30px 0 8px}
p{max-width:74ch}p+p{margin-top:10px}
.lead{color:var(--soft);margin-bottom:18px}
.small,.note{font-size:13.5px;color:var(--soft)}.note{margin-top:10px}
a{color:var(--accent);text-underline-offset:2px}
code,pre{font:13.5px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
pre{background:var(--tint);border:1px solid var(--rule);border-radius:8px;padding:14px 16px;overflow-x:auto;margin:10px 0}
.eyebrow{font-size:13.5px;color:var(--soft);display:flex;gap:6px 18px;flex-wrap:wrap;justify-content:space-between}
.eyebrow b{color:var(--ink);font-weight:650}
.verdict{margin:18px 0 0;padding:26px 28px 24px;border-radius:12px;border-left:5px solid var(--v);background:var(--vt)}
.verdict.pass{--v:var(--pass);--vt:var(--pass-tint)}.verdict.fail{--v:var(--fail);--vt:var(--fail-tint)}
.verdict.unproven{--v:var(--unproven);--vt:var(--unproven-tint)}.verdict.none{--v:var(--faint);--vt:var(--tint)}
.verdict h1{font-size:25px;line-height:1.34;font-weight:600;letter-spacing:-.012em;max-width:46ch;overflow-wrap:anywhere}
.verdict h1 b{color:var(--v);font-weight:750}
.verdict p{margin-top:12px;max-width:86ch}.verdict .assume{max-width:none;font-size:13.5px;color:var(--soft)}
.warn{margin-top:14px;padding:12px 16px;border:1px solid var(--unproven);border-radius:8px;background:var(--unproven-tint);
font-size:14.5px}.warn ul{padding-left:18px}.warn li+li{margin-top:4px}
.who{margin-top:26px;font-size:14.5px;color:var(--soft)}.who b{color:var(--ink);font-weight:650}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:0;margin-top:10px;border:1px solid var(--rule);
border-radius:12px;overflow:hidden}
.tile{padding:18px 20px;border-left:1px solid var(--rule);margin-left:-1px}
.tile .k{font-size:13px;color:var(--soft)}.tile .v{font-size:27px;line-height:1.25;font-weight:650;letter-spacing:-.02em;
margin-top:3px}.tile .d{font-size:13.5px;color:var(--soft);margin-top:3px}
.scroll{overflow-x:auto;border:1px solid var(--rule);border-radius:10px;margin-top:10px;-webkit-overflow-scrolling:touch}
.cue{display:none;font-size:12.5px;color:var(--soft);margin:10px 0 -5px}.box.clipped .cue{display:block}
.box.more .scroll{-webkit-mask-image:linear-gradient(90deg,#000 calc(100% - 44px),#0003);
mask-image:linear-gradient(90deg,#000 calc(100% - 44px),#0003)}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:14px;line-height:20px}
th,td{padding:8px 13px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule);vertical-align:top}
tr:last-child>td,tr:last-child>th{border-bottom:0}
thead th{font-weight:600;font-size:12.5px;line-height:17px;
color:var(--soft);background:var(--tint);vertical-align:bottom;white-space:normal;
border-bottom:1px solid var(--rule)!important}
th:first-child,td:first-child,.l{text-align:left}
tbody th{font-weight:600}
tbody th:has(.name){white-space:normal}.name{white-space:nowrap;margin-right:4px}
.label{display:inline-block;white-space:normal;overflow-wrap:anywhere;min-width:104px;max-width:300px}
.dense th,.dense td{padding-left:8px;padding-right:8px}
.examples table{table-layout:fixed;min-width:660px}.examples th{width:18%}.examples th:first-child{width:38%}
.examples th:last-child{width:8%}.examples td.t{min-width:0;max-width:none}.examples .label{min-width:0;max-width:none}
td.t{white-space:normal;text-align:left;min-width:240px;max-width:460px;overflow-wrap:anywhere}
td.why{white-space:normal;text-align:left;min-width:260px;overflow-wrap:anywhere}
.sticky th:first-child,.sticky td:first-child{position:sticky;left:0;background:var(--paper);z-index:1}
.sticky thead th:first-child{background:var(--tint)}
tr.winner>*{background:var(--pass-tint)!important}tr.reference>*{background:var(--accent-tint)!important}
th[data-sort]{cursor:pointer;user-select:none}th[data-sort]:hover{color:var(--ink)}
th[aria-sort=ascending]::after{content:" \\2191"}th[aria-sort=descending]::after{content:" \\2193"}
.sub{display:block;color:var(--soft);font-size:12px;line-height:16px;font-weight:400}
.chip{display:inline-block;font-size:11px;font-weight:600;line-height:16px;padding:0 7px;border-radius:9px;
color:var(--faint);padding:0;vertical-align:1px}
.chip.winner,.chip.reference{border:1px solid currentColor;padding:0 7px;color:var(--pass)}
.chip.reference{color:var(--accent)}
.good{color:var(--pass)}.bad{color:var(--fail)}
.p{display:inline-block;width:7px;height:7px;border-radius:50%;border:1.2px solid var(--faint);margin-left:6px;
vertical-align:1px;print-color-adjust:exact;-webkit-print-color-adjust:exact;text-decoration:none}
.p.measured{background:var(--faint)}.p.modelled{background:linear-gradient(90deg,var(--faint) 50%,transparent 50%)}
.n{font-size:10px;color:var(--faint);vertical-align:super;line-height:0;margin-left:2px;text-decoration:none}
.legend{display:flex;gap:4px 20px;flex-wrap:wrap;font-size:13px;color:var(--soft);margin-top:10px}
.legend .p{margin:0 6px 0 0}
.plots{display:grid;grid-template-columns:1fr 1fr;gap:24px;margin-top:14px}
figure figcaption{font-size:14px;font-weight:600;margin-bottom:4px}
svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-size:11.5px;fill:var(--ink)}svg .tick{fill:var(--soft);font-size:11px}
svg .axistitle{fill:var(--soft);font-size:11.5px}
svg .grid{stroke:var(--rule);stroke-width:1}svg .axis{stroke:var(--faint);stroke-width:1}
svg .bar{stroke:var(--unproven);stroke-width:1.4;stroke-dasharray:5 4}svg .barname{fill:var(--unproven);font-size:11.5px}
svg .ok{fill:var(--ok)}svg .leader{stroke:var(--faint);stroke-width:.8}
svg .name,svg .barname{paint-order:stroke;stroke:var(--paper);stroke-width:3.5px;stroke-linejoin:round}
svg .name.other{fill:var(--soft)}svg .name.winner{font-weight:700;fill:var(--pass)}svg .name.reference{font-weight:700}
svg .err{stroke:var(--faint);stroke-width:1.2}svg .dot{fill:var(--paper);stroke:var(--faint);stroke-width:1.6}
svg .winner .dot{fill:var(--pass);stroke:var(--pass)}svg .winner .err{stroke:var(--pass)}
svg .reference .dot{fill:var(--ink);stroke:var(--ink)}svg .reference .err{stroke:var(--ink)}
svg .baseline .dot{fill:var(--faint);stroke:var(--faint)}
svg .frontier .dot{fill:var(--accent);stroke:var(--accent)}svg .frontier .err{stroke:var(--accent)}
svg .pt{cursor:default;outline:none}svg .pt:hover .dot,svg .pt:focus .dot{stroke:var(--ink);stroke-width:2.4}
svg .series{fill:none;stroke-width:2.2;stroke:var(--accent)}svg .series.accuracy{stroke:var(--pass)}
.keys{display:flex;gap:4px 20px;flex-wrap:wrap;font-size:13px;color:var(--soft);margin-top:12px}
.keys i{display:inline-block;width:10px;height:10px;margin-right:7px;border-radius:50%;border:1.6px solid var(--faint);
vertical-align:-1px;print-color-adjust:exact;-webkit-print-color-adjust:exact}
.keys .winner{background:var(--pass);border-color:var(--pass)}
.keys .frontier{background:var(--accent);border-color:var(--accent)}
.keys .reference{background:var(--ink);border-color:var(--ink);border-radius:1px}
.keys .baseline{background:var(--faint);border-radius:1px;transform:rotate(45deg) scale(.85)}
.keys .line{height:0;width:16px;border:0;border-top:2.2px solid var(--accent);border-radius:0;vertical-align:4px}
.keys .line.accuracy{border-color:var(--pass)}
.narrow{display:none}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--paper);font-size:12.5px;line-height:1.5;
padding:9px 12px;border-radius:8px;white-space:pre-line;max-width:280px;display:none;box-shadow:0 4px 18px #0003}
.split{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:28px;align-items:start}
.delta{display:inline-block;vertical-align:middle;width:92px;height:9px;position:relative;margin-left:10px;
background:linear-gradient(90deg,transparent 45.5px,var(--faint) 45.5px,var(--faint) 46.5px,transparent 46.5px)}
.delta i{position:absolute;top:0;height:9px;border-radius:1.5px;background:var(--fail);print-color-adjust:exact;
-webkit-print-color-adjust:exact}.delta i.up{background:var(--pass)}
dl.terms{display:grid;grid-template-columns:minmax(150px,230px) 1fr;gap:0;font-size:14.5px;margin-top:10px}
dl.terms>*{padding:8px 0;border-bottom:1px solid var(--rule)}dl.terms dt{font-weight:600;padding-right:18px}
dl.terms dd{color:var(--soft);max-width:76ch;overflow-wrap:anywhere}
details{margin-top:10px}summary{cursor:pointer;color:var(--accent);font-size:14.5px}
ol.sources{font-size:13.5px;color:var(--soft);padding-left:26px;margin-top:8px}ol.sources li{padding:2px 0;max-width:96ch;
overflow-wrap:anywhere}
@media screen and (max-width:760px){main{padding:22px 16px 60px}body{font-size:15.5px}h2{margin-top:46px;font-size:20px}
.verdict{padding:20px 18px}.verdict h1{font-size:20px}.tiles{grid-template-columns:1fr 1fr}
.tile{border-top:1px solid var(--rule);margin-top:-1px;padding:14px 16px}.tile .v{font-size:22px}
.plots,.split{grid-template-columns:minmax(0,1fr)}.wide{display:none}.narrow{display:block}
dl.terms{grid-template-columns:1fr}dl.terms dt{border-bottom:0;padding-bottom:0}dl.terms dd{padding-top:2px}
th,td,.dense th,.dense td{padding:7px}table{font-size:13.5px}.delta{display:none}
tbody th{white-space:normal;min-width:110px;max-width:124px;overflow-wrap:break-word}.name{white-space:normal}
tbody th .chip{display:table}tbody th:has(.label){min-width:142px}td .label{min-width:170px}
pre{white-space:pre-wrap;overflow-wrap:anywhere}
.examples table{min-width:0}.examples :is(table,tbody,tr,td){display:block;width:auto}.examples thead{display:none}
.examples tr{padding:9px 0;border-bottom:1px solid var(--rule)}.examples tr:last-child{border-bottom:0}
.examples td{border:0;padding:1px 12px;text-align:left}.examples td.t{padding-bottom:4px;font-weight:600}
.examples td[data-k]::before{content:attr(data-k) ": ";color:var(--soft)}.examples .label{display:inline}}
@media print{:root{--paper:#fff;--tint:#f6f7f8;--ink:#000;--soft:#444;--faint:#777;--rule:#ccc;--accent:#1f5fbf;
--accent-tint:#e8f0fb;--pass:#197a48;--pass-tint:#e7f4ec;--fail:#b3312a;--fail-tint:#fbeae9;--unproven:#8a6100;
--unproven-tint:#fbf3df}
@page{margin:14mm 12mm}body{font-size:10.5pt}main{max-width:none;padding:0}h2{margin-top:26px;break-after:avoid}
h3{break-after:avoid}.scroll{overflow:visible;-webkit-mask-image:none!important;mask-image:none!important}
.cue{display:none!important}.label{min-width:0}.examples table{min-width:0}table{font-size:7.6pt;line-height:1.35}
th,td{padding:3px 4px}tbody th{white-space:normal;max-width:96px}
.sub{font-size:6.4pt;line-height:1.2}.p{width:5px;height:5px;margin-left:3px}
thead th{font-size:7pt}td.t,td.why{min-width:0}tr,figure,.tiles,.verdict,pre{break-inside:avoid}.sticky th:first-child,
.sticky td:first-child{position:static}#tip{display:none!important}.chip{padding:0 4px}
pre{white-space:pre-wrap}
.verdict,tr.winner>*,tr.reference>*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
""")

SCRIPT = Html("""
(function(){
var tip=document.getElementById("tip");
function show(e){var box=e.currentTarget.getBoundingClientRect();tip.textContent=e.currentTarget.dataset.tip;
tip.style.display="block";var w=tip.offsetWidth,h=tip.offsetHeight,x=Math.min(Math.max(8,box.left+box.width/2-w/2),
document.documentElement.clientWidth-w-8),y=box.top-h-10;tip.style.left=x+"px";tip.style.top=(y<8?box.bottom+10:y)+"px";}
function hide(){tip.style.display="none";}
document.querySelectorAll("[data-tip]").forEach(function(g){var t=g.querySelector("title");
if(t){g.setAttribute("aria-label",t.textContent);t.remove();}
g.addEventListener("mouseenter",show);g.addEventListener("mouseleave",hide);
g.addEventListener("focus",show);g.addEventListener("blur",hide);});
document.querySelectorAll(".scroll").forEach(function(s){var box=s.parentNode;
function mark(){var rest=s.scrollWidth-s.clientWidth;box.classList.toggle("clipped",rest>1);
box.classList.toggle("more",rest-s.scrollLeft>1);}
s.addEventListener("scroll",mark,{passive:true});window.addEventListener("resize",mark);
if(window.ResizeObserver)new ResizeObserver(mark).observe(s);mark();});
document.querySelectorAll("th[data-sort]").forEach(function(th){th.tabIndex=0;
function sort(){var row=th.parentNode,body=th.closest("table").tBodies[0],at=Array.prototype.indexOf.call(row.children,th);
var down=th.getAttribute("aria-sort")==="ascending";
row.querySelectorAll("th").forEach(function(o){o.removeAttribute("aria-sort");});
th.setAttribute("aria-sort",down?"descending":"ascending");
function key(tr){var c=tr.children[at],v=c.dataset.v;return v===undefined?c.textContent:v===""?null:parseFloat(v);}
Array.from(body.rows).sort(function(a,b){var x=key(a),y=key(b);if(x===null||y===null)return (x===null)-(y===null);
var d=typeof x==="number"?x-y:x.localeCompare(y);return down?-d:d;}).forEach(function(tr){body.appendChild(tr);});}
th.addEventListener("click",sort);th.addEventListener("keydown",function(e){if(e.key==="Enter"||e.key===" "){
e.preventDefault();sort();}});});
})();
""")


def policy(script: str) -> str:
    """What a page may load: nothing; what it may run: this script and no other."""
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{allowed}'"
    )
