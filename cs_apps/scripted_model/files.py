"""Files of the Batch API: what was uploaded and what batches wrote.

Belongs here: uploads, downloads, pages of records. Must not: what stands in the files.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from cs_apps.scripted_model.failures import invalid, json_reply, not_found
from cs_apps.scripted_model.wire import Reply, Request

Json = dict[str, Any]
INVALID_URL = not_found("Invalid URL")


@dataclass
class Files:
    """The files of a server, in the order in which they were written."""

    _records: dict[str, Json] = field(default_factory=dict)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def reply(self, request: Request, place: list[str], query: str) -> Reply:
        """Answer a request; `place`: the path's segments after `/files`."""
        match request.method, *place:
            case ("POST",):
                return self._upload(request)
            case ("GET",):
                return listed(list(self._records.values()), query)
            case (_, str(number), *_) if number not in self._records:
                return not_found(f"No such File object: {number}")
            case ("GET", str(number)):
                return json_reply(self._records[number])
            case ("GET", str(number), "content"):
                headers = {"Content-Type": "application/octet-stream"}
                return Reply(200, self._contents[number], headers)
            case ("DELETE", str(number)):
                del self._records[number], self._contents[number]
                return json_reply({"id": number, "object": "file", "deleted": True})
        return INVALID_URL

    def content(self, number: object) -> bytes | None:
        """Return what stands in a file, null if there is none of this id."""
        return self._contents.get(str(number))

    def store(self, name: str, content: bytes, purpose: str) -> Json:
        """Keep a file, and return its record."""
        record: Json = {
            "id": f"file-{next(self._numbers):08d}",
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        }
        self._records[record["id"]] = record
        self._contents[record["id"]] = content
        return record

    def _upload(self, request: Request) -> Reply:
        fields = _form(request)
        if "file" not in fields or "purpose" not in fields:
            return invalid("'file' and 'purpose' are required.", "file")
        (name, content), (_, purpose) = fields["file"], fields["purpose"]
        return json_reply(self.store(name or "file", content, purpose.decode()))


def listed(records: list[Json], query: str) -> Reply:
    """Return a page of records, `limit` of them behind the one that the query names as `after`."""
    asked = dict(parse_qs(query))
    ids = [record["id"] for record in records]
    after = asked.get("after", [""])[0]
    rest = records[ids.index(after) + 1 :] if after in ids else records
    page = rest[: int(asked.get("limit", ["20"])[0])]
    return json_reply(
        {
            "object": "list",
            "data": page,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
            "has_more": len(rest) > len(page),
        }
    )


def _form(request: Request) -> Mapping[str, tuple[str | None, bytes]]:
    """Return the fields of a multipart form: file name and content."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode("latin-1")
    fields: dict[str, tuple[str | None, bytes]] = {}
    for part in BytesParser(policy=HTTP).parsebytes(head + request.body).iter_parts():
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if isinstance(content, bytes) and isinstance(name, str):
            fields[name] = (part.get_filename(), content)
    return fields
