"""Files that name another file or an address, each in the way that FFmpeg, or another player, would follow.

`KINDS` maps a name to how such a file is written: given its own path (without suffix), the path of a video that it
shall name and a port of this machine, it returns the file's path.
"""

import struct
from collections.abc import Callable
from pathlib import Path

import av

from tests.clips import make_clip

Write = Callable[[Path, Path, int], Path]


def _text(suffix: str, content: str) -> Write:
    """A text file: ``{file}`` is replaced by the path of the video, ``{http}`` and ``{port}`` by the address."""

    def write(stem: Path, target: Path, port: int) -> Path:
        path = stem.with_suffix(suffix)
        address = f"http://127.0.0.1:{port}/video.mp4"
        text = content.replace("{file}", str(target)).replace("{http}", address).replace("{port}", str(port))
        path.write_text(text.replace("{name}", target.name))
        return path

    return write


HLS = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{}'\n"
DASH = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT6S" minBufferTime="PT1S"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet mimeType="video/mp4">
<Representation id="1" bandwidth="1000" width="64" height="48" codecs="avc1.64000a"><BaseURL>{}</BaseURL>
<SegmentBase indexRange="0-100"/></Representation></AdaptationSet></Period></MPD>
"""
SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=x
c=IN IP4 127.0.0.1
t=0 0
m=video {port} RTP/AVP 96
a=rtpmap:96 H264/90000
"""
SMIL = '<smil><body><video src="{}"/></body></smil>\n'
ASX = '<asx version="3.0"><entry><ref href="{http}"/></entry></asx>\n'
XSPF = '<playlist version="1" xmlns="http://xspf.org/ns/0/"><trackList><track><location>{http}</location></track></trackList></playlist>\n'
ASF_REFERENCE = "[Reference]\nRef1={http}?MSWMExt=.asf\nRef2={http}\n"
VOBSUB = "# VobSub index file, v7 (do not modify this line!)\nsize: 64x48\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 000000000\n"  # noqa: E501
AVISYNTH = 'FFVideoSource("{file}")\n'
SUBTITLES = "[Script Info]\nScriptType: v4.00+\nVideo File: {file}\nAudio URI: {http}\n\n[Events]\nFormat: Start, End, Text\nDialogue: 0:00:00.00,0:00:05.00,{http}\n"  # noqa: E501
IMF = """<?xml version="1.0"?>
<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><SegmentList><Segment><SequenceList>
<Resource><TrackFileId>{file}</TrackFileId></Resource></SequenceList></Segment></SegmentList></CompositionPlaylist>
"""


def _vobsub(stem: Path, target: Path, port: int) -> Path:
    """Subtitles whose pictures lie in another file of the same name."""
    path = stem.with_suffix(".idx")
    path.write_text(VOBSUB)
    stem.with_suffix(".sub").symlink_to(target)
    return path


def _quicktime(reference: Callable[[Path, int], bytes]) -> Write:
    """A film whose samples lie in another file: only its data reference is changed, so whoever follows it sees them."""

    def write(stem: Path, target: Path, port: int) -> Path:
        path = make_clip(stem.with_suffix(".mov"), frames=12, audio=None)
        data = path.read_bytes()
        path.write_bytes(_with_data_reference(data, reference(target, port)))
        return path

    return write


def _alias(target: Path, port: int) -> bytes:
    """A Macintosh alias record that names `target` in every way that readers know."""
    name = target.name.encode()[:63]
    text = str(target).encode()
    head = struct.pack(">4xHH", 400, 2) + bytes(2) + bytes([4]) + b"disk".ljust(27, b"\0") + bytes(4 + 2 + 2 + 4)
    head += (
        bytes([len(name)]) + name.ljust(63, b"\0") + bytes(4 + 4 + 4 + 4) + struct.pack(">hh", 0, 2) + bytes(4 + 2 + 10)
    )
    items = b""
    mac_path = b"disk" + text.replace(b"/", b":")
    for kind, value in ((0, target.parent.name.encode()), (2, mac_path), (18, text), (19, b"/")):
        items += struct.pack(">HH", kind, len(value)) + value + b"\0" * (len(value) % 2)
    return _entry(b"alis", head + items + struct.pack(">HH", 0xFFFF, 0))


def _url(target: Path, port: int) -> bytes:
    return _entry(b"url ", f"http://127.0.0.1:{port}/video.mp4".encode() + b"\0")


def _file_url(target: Path, port: int) -> bytes:
    return _entry(b"url ", f"file://{target}".encode() + b"\0")


def _entry(kind: bytes, content: bytes) -> bytes:
    """A data reference whose flag "the data is in this file" is not set."""
    return struct.pack(">I4sI", 12 + len(content), kind, 0) + content


def _with_data_reference(data: bytes, entry: bytes) -> bytes:
    """Replaces the entry of the only ``dref``, and makes the boxes around it longer."""
    position = data.index(b"dref") - 4
    size = struct.unpack_from(">I", data, position)[0]
    box = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    grown = bytearray(data[:position] + box + data[position + size :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = data.index(name) - 4
        struct.pack_into(">I", grown, at, struct.unpack_from(">I", grown, at)[0] + len(box) - size)
    return bytes(grown)


def _reference_movie(stem: Path, target: Path, port: int) -> Path:
    """QuickTime's redirection: a film that is nothing but the address of another."""
    path = stem.with_suffix(".mov")
    address = f"http://127.0.0.1:{port}/video.mp4".encode() + b"\0"
    inner = struct.pack(">I4sI4sI", 20 + len(address), b"rdrf", 0, b"url ", len(address)) + address
    for name in (b"rmda", b"rmra", b"moov"):
        inner = struct.pack(">I4s", 8 + len(inner), name) + inner
    path.write_bytes(inner)
    return path


def _mxf(stem: Path, target: Path, port: int) -> Path:
    """A network locator (SMPTE ST 377-1, annex B.4) among the header's sets, which says where the essence lies."""
    path = make_clip(stem.with_suffix(".mxf"), frames=12, codec="mpeg2video", audio=None, rate=25, b_frames=0)
    data = path.read_bytes()
    primer = data.index(bytes.fromhex("060e2b34020501010d01020101050100"))
    following = primer + 16 + 4 + int.from_bytes(data[primer + 17 : primer + 20], "big")
    address = str(target).encode("utf-16-be")
    local = struct.pack(">HH", 0x4001, len(address)) + address + struct.pack(">HH", 0x3C0A, 16) + bytes(range(16))
    locator = bytes.fromhex("060e2b34025301010d01010101013200") + b"\x83" + len(local).to_bytes(3, "big") + local
    path.write_bytes(data[:following] + locator + data[following:])
    return path


def _matroska(stem: Path, target: Path, port: int) -> Path:
    """A healthy film whose attachment, tags and subtitles name what is elsewhere."""
    path = stem.with_suffix(".mkv")
    clip = make_clip(stem.with_suffix(".clip.mp4"), frames=12, audio=None)
    with av.open(str(clip)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0], opaque=True)
        out.add_attachment(f"../../../{target}", "application/x-truetype-font", b"font")
        out.metadata["title"] = f"file://{target}"
        out.metadata["comment"] = f"http://127.0.0.1:{port}/"
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    clip.unlink()
    return path


KINDS: dict[str, Write] = {
    "HLS, a file": _text(".m3u8", HLS.replace("{}", "{file}")),
    "HLS, a neighbour": _text(".m3u8", HLS.replace("{}", "{name}")),
    "HLS, an address": _text(".m3u8", HLS.replace("{}", "{http}")),
    "HLS that is called a film": _text(".mp4", HLS.replace("{}", "{file}")),
    "concat, a file": _text(".ffconcat", CONCAT.replace("{}", "{file}")),
    "concat, a neighbour": _text(".mp4", CONCAT.replace("{}", "{name}")),
    "concat, an address": _text(".ffconcat", CONCAT.replace("{}", "{http}")),
    "DASH, a file": _text(".mpd", DASH.replace("{}", "{file}")),
    "DASH, an address": _text(".mpd", DASH.replace("{}", "{http}")),
    "SDP": _text(".sdp", SDP),
    "SMIL": _text(".smil", SMIL.replace("{}", "{http}")),
    "a plain playlist": _text(".m3u", "{file}\n{http}\n"),
    "PLS": _text(".pls", "[playlist]\nFile1={file}\nFile2={http}\nNumberOfEntries=2\n"),
    "ASX": _text(".asx", ASX),
    "XSPF": _text(".xspf", XSPF),
    "an ASF reference": _text(".asf", ASF_REFERENCE),
    "a RealMedia address": _text(".ram", "rtsp://127.0.0.1:{port}/video.rm\n"),
    "AviSynth": _text(".avs", AVISYNTH),
    "subtitles": _text(".ass", SUBTITLES),
    "VobSub": _vobsub,
    "IMF": _text(".xml", IMF),
    "QuickTime, an alias": _quicktime(_alias),
    "QuickTime, an address": _quicktime(_url),
    "QuickTime, a file's address": _quicktime(_file_url),
    "QuickTime, a redirection": _reference_movie,
    "MXF, a locator": _mxf,
    "Matroska, names everywhere": _matroska,
}
