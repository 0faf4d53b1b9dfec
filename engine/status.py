"""What a session shows of itself. Thread: any."""
from dataclasses import dataclass, field


@dataclass
class Status:
    """A moment of a performance, for a view."""
    set: str = ""
    section: str = ""
    section_bar: int = 0
    section_bars: int = 0
    bar: int = 0
    beat: int = 0
    bpm: float = 0.0
    text: str = ""
    features: dict = field(default_factory=dict)
    levels_db: dict = field(default_factory=dict)
    master_db: float = -120.0
    loudness: dict = field(default_factory=dict)
    late_blocks: int = 0
    late_records: int = 0
    late_notes: int = 0
    ahead_ms: float = 0.0                 # how long before it sounds the next step is sent
    late_events: int = 0                  # that reached the rig after their sample
    connected: str = ""                   # what the session is connected to, and how it keeps up
    model_state: str = ""
    steering: str = ""                    # how the model is steered, "" without directions
    messages: list = field(default_factory=list)
    mutes: set = field(default_factory=set)
    pending: str = ""
    recording: str = ""
    seconds: float = 0.0
    done: bool = False
