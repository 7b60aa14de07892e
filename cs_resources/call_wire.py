"""The rows of a MySQL or MariaDB query as Arrow text columns, straight from the wire.

Belongs here: the text protocol's row packets, read from PyMySQL's connection many at a time. Must
not: what the columns mean, connecting, retrying.

PyMySQL builds a Python object per value. Here only the packets' lengths are followed one by one;
the values of a column are then located with NumPy for all rows at once, and copied by Arrow. Every
value is the server's own text (UTF-8), or null: the connection must have been opened with utf8mb4.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pymysql.constants import CR
from pymysql.cursors import SSCursor
from pymysql.err import DataError, OperationalError, raise_mysql_exception

_READ_BYTES = _PIECE_BYTES = 1 << 20
_HEADER, _LARGEST, _BEGINNING = 4, 0xFFFFFF, Struct("<IB")
_EOF, _ERROR, _NULL = 0xFE, 0xFF, 0xFB
_WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""Bytes of a length that does not fit into its first byte."""
_PADDING = bytes(16)
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Rows:
    """Whole rows in a buffer: where the payload of each begins."""

    data: bytes
    starts: Positions

    def columns(self, number: int) -> list[pa.Array]:
        """Return the values as arrays of binary, null where the server sent NULL."""
        data = np.frombuffer(self.data, np.uint8)
        at, columns = self.starts, []
        for _ in range(number):
            first = data[at]
            lengths, begins = first.astype(np.int64), at + 1
            for mark, width in _WIDTHS.items():
                if (long := first == mark).any():
                    lengths[long] = _numbers(data, begins[long], width)
                    begins = begins + long * width
            is_null = first == _NULL
            lengths[is_null] = 0
            at = begins + lengths
            columns.append(_taken(self.data, begins, at, is_null))
        return columns


def batches(cursor: SSCursor) -> Iterator[list[pa.Array]]:
    """Yield the columns of what an executed, unbuffered cursor has yet to read, in pieces.

    A piece is about a MiB, or a single row that is longer. Raises pymysql's OperationalError when
    the connection is lost or the server is silent for the read timeout, and the server's own error
    when it ends the query with one.
    """
    inside: Any = cursor
    result, connection = inside._result, inside.connection
    number = len(cursor.description or ())
    frames = _Frames(sequence=connection._next_seq_id)
    try:
        while not frames.is_over:
            frames.add(_received(connection))
            if rows := frames.whole():
                yield rows.columns(number)
    finally:
        # else PyMySQL would read on to the end, on a connection that may be gone
        result.unbuffered_active, result.connection = False, None


@dataclass
class _Frames:
    """Packets as they come in; the server counts them modulo 256, from `sequence`.

    The last one (end of rows, or an error) is recognised by its first byte, which in a row would
    begin a value of 16 MiB.
    """

    sequence: int
    is_over: bool = False
    _data: bytearray = field(default_factory=bytearray)
    _starts: list[int] = field(default_factory=list)
    _at: int = 0

    def add(self, received: bytes) -> None:
        """Follow the lengths of the packets that are whole by now."""
        data, at, add = self._data, self._at, self._starts.append
        data += received
        size, beginning = len(data), _BEGINNING.unpack_from
        while at + _HEADER < size:
            header, first = beginning(data, at)
            begins = at + _HEADER
            end = begins + (header & _LARGEST)
            if end - begins == _LARGEST:
                raise DataError("a row of 16 MiB or more, which no call has")
            if end > size:
                break
            if first >= _EOF:
                self._at, self.is_over = at, True
                self._check_last(bytes(data[begins:end]))
                return
            add(begins)
            at = end
        self._at = at

    def whole(self) -> "_Rows | None":
        """Hand out the whole rows if they are many enough, or the last ones."""
        if not self._starts or not (self.is_over or self._at >= _PIECE_BYTES):
            return None
        starts = np.array(self._starts, np.int64)
        with memoryview(self._data) as held:
            data = b"".join((held[: self._at], _PADDING))
        counted = (self.sequence + np.arange(len(starts))) % 256
        if not np.array_equal(np.frombuffer(data, np.uint8)[starts - 1], counted):
            raise _lost("packets out of order")
        self.sequence += len(starts)
        del self._data[: self._at]
        self._starts, self._at = [], 0
        return _Rows(data, starts)

    def _check_last(self, payload: bytes) -> None:
        if payload[0] == _ERROR:
            raise_mysql_exception(payload)


def _received(connection: Any) -> bytes:
    try:
        data: bytes = connection._rfile.read1(_READ_BYTES)
    except OSError as error:
        connection._force_close()
        raise _lost(str(error)) from error
    if not data:
        connection._force_close()
        raise _lost("closed by the server")
    return data


def _lost(why: str) -> OperationalError:
    return OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server in a query: {why}")


def _numbers(data: npt.NDArray[np.uint8], at: Positions, width: int) -> Positions:
    """Return the little-endian numbers of `width` bytes that stand at these places."""
    places = data[at[:, None] + np.arange(width)].astype(np.int64)
    numbers: Positions = (places << (8 * np.arange(width))).sum(axis=1)
    return numbers


def _taken(data: bytes, begins: Positions, ends: Positions, is_null: Any) -> pa.Array:
    """Return the values between these places, copied out of the buffer.

    Values and the gaps between them are the elements of one array over the buffer, of which every
    other one is taken.
    """
    offsets = np.empty(2 * len(begins) + 1, np.int32)
    offsets[0:-1:2], offsets[1::2], offsets[-1] = begins, ends, ends[-1]
    whole = pa.BinaryArray.from_buffers(
        pa.binary(), 2 * len(begins), [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )
    index = pa.array(np.arange(0, 2 * len(begins), 2), mask=is_null)
    return whole.take(index)
