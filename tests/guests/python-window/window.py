"""As ../rust-window with the SDK for Python: rejects `secret`, also when it comes in pieces and in tool calls; puts
`d***` in place of `darn`; and holds back the last characters of each choice, one fewer than its longest word has."""

from jackfield import Hold, Piece, Reject, Release, Replace, StreamValidator
from jackfield.stream import Step

FORBIDDEN = "secret"


class Window(StreamValidator):
    """Lets no forbidden word through."""

    def push(self, piece: Piece) -> Step:
        if FORBIDDEN in piece.held or FORBIDDEN in piece.text:
            return Reject("a forbidden word")
        if piece.kind == "finish":
            return Release()
        if piece.kind == "tool-call":
            return Hold()
        if "darn" in piece.held:
            return Replace(piece.held.replace("darn", "d***"))
        return Release(1 - len(FORBIDDEN))
