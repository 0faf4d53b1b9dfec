"""DAWproject: a song with its audio, notes, tempo, markers and automation in one open file.
Thread: control.

A zip of project.xml, metadata.xml and the audio. Times are in quarter notes; audio is not warped.

source  github.com/bitwig/dawproject, Project.xsd and MetaData.xsd, version 1.0
"""
import os
import shutil
import zipfile
from importlib.metadata import version as installed
from pathlib import Path
from xml.etree import ElementTree

from engine import score_midi
from engine.formats.mid import TICKS

LIKE_BITWIG = {"Tempo": (20.0, 666.0), "Volume": (0.0, 2.0), "Pan": (0.0, 1.0)}
NOTE_COLOURS, STEM_COLOUR, FEATURE_COLOUR = "#a2eabf", "#b53bba", "#e0a030"


def write(path, score, stems):
    """The score with its stems (name -> WAV file), written aside and put in place when whole."""
    aside = Path(f"{path}.part")
    try:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as pack:
            for name, root in (("project.xml", project(score, stems)),
                               ("metadata.xml", metadata(score))):
                ElementTree.indent(root)
                pack.writestr(_entry(name, zipfile.ZIP_DEFLATED), ElementTree.tostring(
                    root, encoding="UTF-8", xml_declaration=True))
            for name, file in stems.items():
                with open(file, "rb") as source, pack.open(
                        _entry(f"audio/{name}.wav", zipfile.ZIP_STORED), "w",
                        force_zip64=True) as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _entry(name, compression):
    """The same bytes each time: no date of today."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type, entry.external_attr = compression, 0o644 << 16
    return entry


def metadata(score):
    root = ElementTree.Element("MetaData")
    ElementTree.SubElement(root, "Title").text = clean(score.name)
    head = score.take.head
    ElementTree.SubElement(root, "Comment").text = clean(
        f"hiddenstage: model {head.get('model')}, seed {head.get('seed')}, "
        f"prompt {head.get('prompt')!r}")
    return root


def clean(text):
    """What XML can hold."""
    return "".join(c for c in str(text) if c in "\t\n" or " " <= c and not (
        "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff"))


class _Song:
    """The elements of one song, each with an id of its own."""

    def __init__(self, score):
        self.score, self.count = score, 0
        self.root = ElementTree.Element("Project", version="1.0")

    def add(self, parent, kind, named=True, **attributes):
        element = ElementTree.SubElement(parent, kind)
        for name, value in attributes.items():
            element.set(name, clean(value))
        if named:
            element.set("id", f"id{self.count}")
            self.count += 1
        return element

    def real(self, parent, kind, name, unit, value, low, high):
        return self.add(parent, kind, max=number(high), min=number(low), unit=unit,
                        value=number(value), name=name)

    def channel(self, track, role, to=None, devices=False):
        channel = self.add(track, "Channel", audioChannels=2, role=role, solo="false")
        if to is not None:
            channel.set("destination", to.get("id"))
        if devices:
            self.add(channel, "Devices", named=False)
        self.add(channel, "Mute", value="false", name="Mute")
        self.real(channel, "Pan", "Pan", "normalized", 0.5, *LIKE_BITWIG["Pan"])
        self.real(channel, "Volume", "Volume", "linear", 1.0, *LIKE_BITWIG["Volume"])
        return channel

    def track(self, structure, name, content, colour):
        return self.add(structure, "Track", contentType=content, loaded="true", name=name,
                        color=colour)

    def beat(self, sample):
        return self.score.grid.step_of(sample) / 4


def number(x):
    return f"{x:.9f}"


def project(score, stems):
    """The root element of project.xml."""
    song = _Song(score)
    song.add(song.root, "Application", named=False, name="hiddenstage",
             version=installed("hiddenstage"))
    transport = song.add(song.root, "Transport", named=False)
    tempo = song.real(transport, "Tempo", "Tempo", "bpm", score.grid.rows[0, 2],
                      *LIKE_BITWIG["Tempo"])
    signature = song.add(transport, "TimeSignature", **_bar(score.grid.signatures[0][1]))
    structure = song.add(song.root, "Structure", named=False)
    master = ElementTree.Element("Track")
    out = song.channel(master, "master")
    tracks = {}
    for name in stems:
        track = song.track(structure, name, "audio", STEM_COLOUR)
        song.channel(track, "regular", out)
        tracks["audio", name] = track
    for name in score.lines:
        track = song.track(structure, f"{name} notes", "notes", NOTE_COLOURS)
        song.channel(track, "regular", out)
        tracks["notes", name] = track
    features = _features(song, structure, out)
    for name, value in (("contentType", "audio notes"), ("loaded", "true"), ("name", "Master")):
        master.set(name, value)
    structure.append(master)
    master.set("id", f"id{song.count}")
    song.count += 1
    _arrange(song, tracks, features, stems)
    _time(song, tempo, signature)
    return song.root


def _bar(sixteenths):
    if sixteenths % 4 == 0:
        return {"denominator": 4, "numerator": sixteenths // 4}
    return {"denominator": 16, "numerator": sixteenths}


def _time(song, tempo, signature):
    """Tempo and bars as automation."""
    arrangement = song.root.find("Arrangement")
    _points(song, arrangement, "TempoAutomation", tempo, "bpm",
            ((step / 4, bpm) for step, _, bpm in song.score.grid.rows.tolist()))
    lane = song.add(arrangement, "TimeSignatureAutomation", timeUnit="beats")
    song.add(lane, "Target", named=False, parameter=signature.get("id"))
    for step, sixteenths in song.score.grid.signatures:
        song.add(lane, "TimeSignaturePoint", named=False, time=number(step / 4),
                 **_bar(sixteenths))


def _features(song, structure, out):
    """A track whose device has one parameter for each feature: (track, name -> parameter)."""
    track = song.track(structure, "features", "automation", FEATURE_COLOUR)
    channel = song.channel(track, "regular", out, devices=True)
    device = song.add(channel.find("Devices"), "BuiltinDevice", deviceName="hiddenstage features",
                      deviceRole="analyzer", loaded="true", name="features")
    held, found = song.add(device, "Parameters", named=False), {}
    for name, (_, values) in song.score.features.items():
        found[name] = song.real(held, "RealParameter", name, "linear", values[0], values.min(),
                                values.max())
    song.add(device, "Enabled", value="true", name="On/Off")
    return track, found


def _arrange(song, tracks, features, stems):
    score, whole = song.score, song.beat(song.score.samples)
    arrangement = song.add(song.root, "Arrangement")
    lanes = song.add(arrangement, "Lanes", timeUnit="beats")
    for name in stems:
        clips = _clips(song, lanes, tracks["audio", name])
        clip = song.add(clips, "Clip", named=False, time=number(0), duration=number(whole),
                        contentTimeUnit="seconds", playStart=number(0), name=name)
        audio = song.add(clip, "Audio", channels=2, sampleRate=score.rate_hz,
                         duration=number(score.samples / score.rate_hz), algorithm="raw")
        song.add(audio, "File", named=False, path=f"audio/{name}.wav")
    for name, keys in score_midi.all_keys(score).items():
        if keys:
            clips = _clips(song, lanes, tracks["notes", name])
            clip = song.add(clips, "Clip", named=False, time=number(0), duration=number(whole),
                            playStart=number(0), name=name)
            _notes(song, song.add(clip, "Notes"), keys)
    track, parameters = features
    if parameters:
        mine = song.add(lanes, "Lanes", track=track.get("id"))
        for name, parameter in parameters.items():
            samples, values = score.features[name]
            _points(song, mine, "Points", parameter, "linear",
                    zip((score.grid.steps_of(samples) / 4).tolist(), values.tolist(), strict=True))
    _markers(song, arrangement)


def _clips(song, lanes, track):
    return song.add(song.add(lanes, "Lanes", track=track.get("id")), "Clips")


def _notes(song, notes, keys):
    for key in keys:
        note = song.add(notes, "Note", named=False, time=number(key.tick / TICKS),
                        duration=number((key.end - key.tick) / TICKS), channel=key.channel - 1,
                        key=key.key, vel=number(key.velocity / 127), rel=number(0))
        if key.above_st:
            points = song.add(note, "Points", unit="semitones")
            song.add(points, "Target", named=False, expression="transpose")
            song.add(points, "RealPoint", named=False, time=number(0), value=number(key.above_st))


def _points(song, parent, kind, parameter, unit, points):
    """Automation: of several points at one time the last."""
    lane = song.add(parent, kind, unit=unit, timeUnit="beats")
    song.add(lane, "Target", named=False, parameter=parameter.get("id"))
    last = {number(time): number(value) for time, value in points}
    for time, value in last.items():
        song.add(lane, "RealPoint", named=False, time=time, value=value, interpolation="hold")


def _markers(song, arrangement):
    marks = [(sample, name) for sample, name in song.score.sections] + song.score.sentences
    if marks:
        held = song.add(arrangement, "Markers", timeUnit="beats")
        for sample, text in sorted(marks, key=lambda mark: mark[0]):
            song.add(held, "Marker", named=False, time=number(song.beat(sample)), name=text)
