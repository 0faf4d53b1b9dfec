"""What a render leaves for a sequencer: a MIDI file, or a folder with everything. Thread: control.

The folder is written aside and put in place when whole: DIR is there with all its files, or as it
was before.
"""
import csv
import os
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from engine import score_midi
from engine.errors import EngineError, distinct
from engine.formats import dawproject
from engine.journal import Take
from engine.score import Score

DAW, TAKE, README = "project.dawproject", "performance.take", "README.txt"


class Export:
    """Around a render or a replay: makes room, then writes what `midi` and `project` ask for.

    options   what the render itself is told
    take      the take that is replayed; None: the render's own, kept aside if nobody wants it
    """

    def __init__(self, options, take=None):
        self.asked, self.options, self.take, self.aside = options, options, take, None
        files = {"--record": options.record, "--out": options.out, "--midi": options.midi}
        distinct(**{"the take": take}, **files)
        distinct(**files, **{"--stems": options.stems, "--project": options.project})
        if options.midi and Path(options.midi).is_dir():
            raise EngineError(f"cannot write {options.midi}: it is a folder; give a file's name")

    @property
    def wanted(self):
        return bool(self.asked.midi or self.asked.project)

    def __enter__(self):
        if not self.wanted:
            return self
        target = Path(self.asked.project or self.asked.midi)
        if self.asked.project:
            target = Path(os.path.abspath(target))
            _check_folder(target)
            if target == Path.cwd():
                raise EngineError(f"cannot write {self.asked.project}: it is the folder you are "
                                  "in; go out of it, or give another")
        if self.asked.midi:
            _make_parent(Path(self.asked.midi))
        self.aside = _room(target, self.asked)
        record = self.asked.record
        if self.take is None:
            self.take = record = record or str(self.aside / TAKE)
        self.options = replace(self.asked, record=record,
                               project=str(self.aside) if self.asked.project else None)
        return self

    def finish(self, report):
        """Writes the files; the report of the render, with them."""
        if not self.wanted:
            return report
        files, score = list(report.get("files", ())), Score(Take(self.take))
        if self.asked.midi:
            report = report | {"midi_notes": score_midi.write(self.asked.midi, score)}
            files.append(str(self.asked.midi))
        if self.asked.project:
            try:
                write_project(self.aside, score)
                _swap(self.aside, Path(self.asked.project))
            except OSError as fault:
                raise _cannot(self.asked.project, fault) from fault
            files = [name.replace(str(self.aside), str(self.asked.project), 1) for name in files]
        return report | {"files": files, "project": self.asked.project}

    def __exit__(self, kind, error, trace):
        if self.aside:
            shutil.rmtree(self.aside, ignore_errors=True)
            if isinstance(error, EngineError) and str(self.aside) in str(error):
                asked = str(self.asked.project or self.asked.midi)
                raise type(error)(str(error).replace(str(self.aside), asked)) from error


def _room(path, asked):
    """A folder of our own beside a path, where a rename puts things in place at once."""
    _make_parent(path)
    try:
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        if asked.project:
            aside.chmod(0o777 & ~_umask())
        return aside
    except OSError as fault:
        raise EngineError(f"cannot write {path}: {fault.strerror or fault}") from fault


def _make_parent(path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise EngineError(f"cannot write {path}: {fault.strerror or fault}") from fault


def _umask():
    mask = os.umask(0o22)
    os.umask(mask)
    return mask


def _check_folder(folder):
    """A project goes into a folder that is new, empty, or a project."""
    if folder.exists() and not folder.is_dir():
        raise EngineError(f"cannot write {folder}: it is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / DAW).is_file():
        raise EngineError(f"cannot write {folder}: it holds other files; give a new or empty "
                          "folder")


def _swap(aside, folder):
    """Puts the finished folder in place of what was there."""
    if folder.exists():
        before = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        os.replace(folder, before / "before")
        try:
            os.replace(aside, folder)
        except OSError:
            os.replace(before / "before", folder)
            raise
        finally:
            shutil.rmtree(before, ignore_errors=True)
    else:
        os.replace(aside, folder)


def _cannot(path, fault):
    return EngineError(f"cannot write {path}: {fault.strerror or fault}; is the disk full?")


# ---- the folder
def write_project(folder, score):
    """Everything beside the sound that the render has put there; OSError where there is no room."""
    score_midi.write(folder / "performance.mid", score)
    rows = score.grid.rows.tolist()
    _table(folder / "tempo.csv", ("sample", "seconds", "beat", "bpm"),
           ((round(sample), sample / score.rate_hz, step / 4, bpm) for step, sample, bpm in rows))
    for name, marks in (("sections", score.sections), ("sentences", score.sentences)):
        _table(folder / f"{name}.csv", ("sample", "seconds", "beat", name.rstrip("s")),
               ((sample, sample / score.rate_hz, score.grid.step_of(sample) / 4, text)
                for sample, text in marks))
    _labels(folder / "labels.txt", score)
    (folder / "features").mkdir()
    for name, (samples, values) in score.features.items():
        _table(folder / "features" / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.csv",
               ("sample", "seconds", "beat", "value"),
               zip(samples.tolist(), (samples / score.rate_hz).tolist(),
                   (score.grid.steps_of(samples) / 4).tolist(), values.tolist(), strict=True))
    if not (folder / TAKE).exists():
        shutil.copyfile(score.take.path, folder / TAKE)
    stems = {path.stem: path for path in sorted((folder / "stems").glob("*.wav"))}
    dawproject.write(folder / DAW, score, stems)
    (folder / README).write_text(_readme(score, stems), "utf-8")


def _table(path, head, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def _labels(path, score):
    """A label track as Audacity reads it: from, to, text."""
    def spans(marks):
        ends = [sample for sample, _ in marks[1:]] + [score.samples]
        return ((start, end, text) for (start, text), end in zip(marks, ends, strict=False))
    lines = [f"{start / score.rate_hz:.6f}\t{end / score.rate_hz:.6f}\t{text}"
             for marks in (score.sections, score.sentences) for start, end, text in spans(marks)]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _readme(score, stems):
    bpm = score.grid.rows[:, 2]
    tempo = f"{bpm[0]:g}" if len(set(bpm)) == 1 else f"{bpm.min():g} to {bpm.max():g}"
    return f"""{score.name}: {score.samples / score.rate_hz:.1f} s, {tempo} bpm, {
        score.rate_hz} samples a second

Every file begins at the same sample: put them all at the start of an empty song.

master.wav          what was heard
premaster.wav       the sum that the master effects were given (32 bit float)
stems/              {len(stems)} files, one for each part and effect return, all of one length (32
                    bit float). A part's file holds its level, pan, mute and duck; the returns hold
                    what the parts send. Their sum is premaster.wav
performance.mid     tempo, sections, words, and a track for each part
project.dawproject  the same as one song with stems, notes, tempo, markers and features: for Bitwig
                    Studio, Studio One, Cubase and others that open DAWproject files
tempo.csv           each tempo from its sample and beat on
sections.csv, sentences.csv, labels.txt (for Audacity)   where they begin
features/           each feature of the model, a value a token, at the sample where it was heard
performance.take    the take: hiddenstage replay performance.take

A standstill of the music, and what lies before its first bar, are beats in the tempo map, with one
odd bar, so that bars and sound stay together.
"""
