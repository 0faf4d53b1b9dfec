"""The report as one HTML file, its plots inside. Thread: control."""
import base64
import html
import io

import numpy as np

from studies.prove import report

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #1d2329; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
td, th { padding: .15rem .6rem; border-bottom: 1px solid #dde2e7; text-align: left;
         vertical-align: top }
.fail { color: #b3261e } .none { color: #77818b } .pass { color: #1b6b3a }
p.top { border-left: 4px solid #77818b; padding-left: 1rem }
img { max-width: 100% } details { margin: .3rem 0 } summary { cursor: pointer }
"""
COLUMNS = 5                               # of small plots
GREEN, RED, GREY = "#1b6b3a", "#b3261e", "#a9b1b9"
COLOURS = {True: GREEN, False: RED, None: GREY}
BARS = (("unrelated texts agree", "unrelated texts agree: Cohen's kappa", 0.3, True),
        ("farther features, other music", "farther features, other music: Spearman", 0.5, False),
        ("bits of its feature in it", "information, bit", 0.3, False))


def escaped(text):
    return html.escape(str(text))


def drawn(make, width=9.0, height=4.0, lines=1, columns=1):
    """A figure as an <img> with its PNG inside; make(axes) draws it, make(many) where it has more
    than one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure = Figure((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    make(figure.subplots(lines, columns))
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}">'


def every_test(rows):
    """A field for each mapping and test: passed, failed, does not apply."""
    tests = list(dict.fromkeys(check["test"] for row in rows for check in row["checks"]))
    field = np.full((len(rows), len(tests)), 0.5)
    for i, row in enumerate(rows):
        for check in row["checks"]:
            field[i, tests.index(check["test"])] = {True: 1.0, False: 0.0, None: 0.5}[
                check["passed"]]

    def make(axes):
        from matplotlib.colors import ListedColormap
        axes.imshow(field, cmap=ListedColormap([RED, GREY, GREEN]), vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(tests)), tests, rotation=40, ha="right", fontsize=8)
        axes.set_yticks(range(len(rows)), [named(row) for row in rows], fontsize=8)
        axes.set_xticks(np.arange(len(tests) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="both", length=0)
    return drawn(make, 10.5, 2.2 + 0.24 * len(rows))


def named(row):
    return row["name"] + (" (decorative)" if row["decorative"] else "")


def bars(rows, test, title, limit, below):
    """One test's numbers, a bar for each mapping, with its limit."""
    found = [(named(row), check) for row in rows for check in row["checks"]
             if check["test"] == test and check["value"] is not None]

    def make(axes):
        axes.barh([name for name, _ in found], [check["value"] for _, check in found],
                  color=[COLOURS[check["passed"]] for _, check in found])
        axes.axvline(limit, color="black", linewidth=1, linestyle="--")
        axes.invert_yaxis()
        axes.set_title(f"{title}, {'at most' if below else 'at least'} {limit}", fontsize=10)
        axes.tick_params(labelsize=8)
    return drawn(make, 9.0, 1.2 + 0.22 * len(found)) if found else ""


def doses(rows):
    """How different each mapping sounds, against how far its features were moved."""
    test = BARS[1][0]
    found = [(row, check["passed"]) for row in rows for check in row["checks"]
             if check["test"] == test and check["passed"] is not None and row["dose"]]
    if not found:
        return ""
    lines = -(-len(found) // COLUMNS)

    def make(fields):
        for axes, (row, good) in zip(np.ravel(fields), found + [(None, None)] * COLUMNS,
                                     strict=False):
            if row is None:
                axes.axis("off")
                continue
            axes.scatter(*np.array(row["dose"]).T, s=7, color=COLOURS[good])
            axes.set_title(row["name"].replace(" -> ", "\n-> "), fontsize=7)
            axes.tick_params(labelsize=6)
    return drawn(make, 10.5, 1.9 * lines, lines, COLUMNS)


def heard(fidelity):
    """What was read back from the sound, beside its shuffled control."""
    rows = [row for row in fidelity.get("features", ()) if row.get("r2") is not None]
    lines = "".join(f"<p>{escaped(line)}</p>" for line in report.heard_lines(
        {"domains": fidelity.get("domains")}))
    if not rows:
        return lines

    def make(axes):
        at = np.arange(len(rows))
        axes.barh(at - 0.2, [row["r2"] for row in rows], 0.4, color=GREEN, label="model")
        axes.barh(at + 0.2, [row.get("shuffled") or 0.0 for row in rows], 0.4, color=GREY,
                  label="records moved")
        axes.set_yticks(at, [row["name"] for row in rows], fontsize=8)
        axes.axvline(0.6, color="black", linewidth=1, linestyle="--")
        axes.invert_yaxis()
        axes.legend(fontsize=8)
        axes.set_title("read back from the sound: partial R² beyond bar and section", fontsize=10)
    return drawn(make, 9.0, 1.2 + 0.3 * len(rows)) + lines


def check_rows(checks):
    """Checks as table rows."""
    marks = {True: ("pass", "pass"), False: ("fail", "FAIL"), None: ("none", "-")}
    found = []
    for check in checks:
        kind, word = marks[check["passed"]]
        value = "" if check["value"] is None else f"{check['value']:.4g}"
        cells = (check["test"], value, check["limit"], check["words"])
        found.append(f'<tr><td class="{kind}">{word}</td>'
                     + "".join(f"<td>{escaped(cell)}</td>" for cell in cells) + "</tr>")
    return "".join(found)


def mapping(row):
    """All numbers of one mapping, folded unless it failed."""
    state = report.verdict(row)
    kind = {"pass": "pass", "FAIL": "fail"}.get(state, "none")
    reads = ", ".join(row["reads"]) or "nothing"
    return (f'<details{" open" if state == "FAIL" else ""}><summary><b>{escaped(row["name"])}</b> '
            f'<span class="{kind}">{state}</span></summary><p>{row["kind"]}, reads '
            f"{escaped(reads)}</p><table>{check_rows(row['checks'])}</table></details>")


def page(found):
    """The whole page."""
    rows = found["mappings"]
    texts = "".join(f"<tr><td>{text['tokens']}</td><td>{escaped(text['prompt'])}</td>"
                    f"<td>{escaped(text['said'][:160])}</td></tr>" for text in found["texts"])
    facts = (f"{found['model']} (weights {found['weight_hash']}), set {found['set_hash']}, "
             f"hiddenstage {found['version']}, model seed {found['seed']}, noise seed "
             f"{found['noise_seed']}, {found['bars']} bars, {found['records']} records, "
             f"{found['seconds']:.0f} s")
    plots = "".join(bars(rows, *one) for one in BARS)
    sound = heard(found["fidelity"])
    return f"""<!doctype html><html lang="en"><meta charset="utf-8">
<title>prove {escaped(found['set'])}</title><style>{STYLE}</style>
<h1>{escaped(found['set'])}: {'proved' if found['passed'] else 'not proved'}</h1>
<p class="top">{escaped(report.summary(found))}</p><p class="none">{escaped(facts)}</p>
<h2>Every mapping, every test</h2>{every_test(rows)}
<h2>The whole set</h2><table>{check_rows(found['checks'])}</table>
{f'<h2>Read back from the sound</h2>{sound}' if sound else ''}
<h2>Numbers</h2>{plots}
<h2>How different it sounds, the farther its features are moved</h2>{doses(rows)}
<h2>Mappings</h2>{''.join(map(mapping, rows))}
<h2>Texts</h2><table><tr><th>tokens</th><th>prompt</th><th>the model went on</th></tr>{texts}
</table>
</html>
"""
