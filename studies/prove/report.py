"""The suite's report in words: a paragraph of what failed, and a line for every mapping. Thread:
control."""
import io

SHORT = (("unrelated texts agree", "kappa"), ("farther features, other music", "grows"),
         ("bits of its feature in it", "bits"), ("told from noise", "noise"),
         ("told from an untrained model", "untrained"), ("follows the position", "position"),
         ("follows the prompt length", "length"))
MARKS = {True: "", False: " x", None: " -"}


def failures(row):
    """What a mapping failed, in words."""
    return [check for check in row["checks"] if check["passed"] is False]


def told(check):
    """A failed check as a clause."""
    value = "" if check["value"] is None else f" {check['value']:.3g}"
    words = f": {check['words']}" if check["words"] else ""
    return f"{check['test']}{value} (needs {check['limit']}){words}"


def summary(found):
    """One paragraph: whether the set is proved, and what failed."""
    rows = found["mappings"]
    claimed = [row for row in rows if not row["decorative"]]
    failed = [row for row in claimed if not row["passed"]]
    loose = [row for row in rows if row["decorative"]]
    words = [f"{found['set']} {'is proved' if found['passed'] else 'is not proved'}: "
             f"{len(claimed) - len(failed)} of {len(claimed)} mappings pass"
             + (f", {len(loose)} more are labelled decorative" if loose else "") + "."]
    for row in failed:
        words.append(f"{row['name']} fails: " + "; ".join(map(told, failures(row))) + ".")
    for check in found["checks"]:
        if check["passed"] is False:
            words.append(f"The set fails: {told(check)}.")
    worth = [row["name"] for row in loose if row["passed"]]
    if worth:
        words.append(f"Labelled decorative and yet it would pass: {', '.join(worth)}.")
    return " ".join(words)


def cell(row, test):
    """A mapping's number for one test: x failed, - does not apply."""
    check = next((c for c in row["checks"] if c["test"] == test), None)
    if check is None:
        return ""
    value = check["value"]
    return ("" if value is None else f"{value:.2f}" if abs(value) >= 0.005 or value == 0.0
            else f"{value:.0e}") + MARKS[check["passed"]]


def verdict(row):
    return "decorative" if row["decorative"] else "pass" if row["passed"] else "FAIL"


def table(found, width=132):
    """The report for a terminal."""
    from rich.console import Console
    from rich.table import Table
    paper = Table(title=f"prove {found['set']} with {found['model']}", title_justify="left")
    paper.add_column("mapping", overflow="fold", max_width=44)
    for _, name in SHORT:
        paper.add_column(name, justify="right", no_wrap=True)
    paper.add_column("", no_wrap=True)
    for row in found["mappings"]:
        paper.add_row(row["name"], *(cell(row, test) for test, _ in SHORT), verdict(row),
                      style="red" if verdict(row) == "FAIL" else None)
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, highlight=False)
    console.print(paper)
    for check in found["checks"]:
        state = {True: "pass", False: "FAIL", None: "  - "}[check["passed"]]
        console.print(f"{state}  {told(check)}", markup=False)
    for line in heard_lines(found["fidelity"]):
        console.print(line, markup=False)
    console.print(f"x failed, - does not apply; {len(found['texts']) or 'no'} texts, "
                  f"{found['records']} records, {found['seconds']:.0f} s", markup=False)
    console.print()
    console.print(summary(found), markup=False)
    return out.getvalue().rstrip()


def heard_lines(fidelity):
    """What was read back from the sound, a line each."""
    if not fidelity:
        return []
    lines = [f"read from the sound: {row['name']} R2 {row['r2']:.2f} (shuffled "
             f"{row['shuffled']:.2f})" for row in fidelity.get("features", ())
             if row.get("r2") is not None]
    domains = fidelity.get("domains") or {}
    if domains:
        lines.append(f"prompt domain told from the sound: {domains['accuracy']:.0%} of "
                     f"{domains['takes']} takes (labels exchanged: {domains['permuted']:.0%}, "
                     f"p = {domains['p']:.3f})")
    return lines
