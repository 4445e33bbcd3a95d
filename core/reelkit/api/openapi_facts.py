"""What the signatures of handlers do not tell of operations: bodies and query strings, which handlers read themselves.

Keys are operation ids. Everything else in the description of the API comes from the handlers.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reelkit.api.access_requests import NewAccessRequest
from reelkit.api.analytics_beats import Beat
from reelkit.api.auth import AuthenticatePayload, RefreshTokenPayload
from reelkit.api.captions import CaptionUpdate
from reelkit.api.discarded import DiscardedUpdatePayload
from reelkit.api.live_streams import NewLiveStreamPayload, UpdatedLiveStreamPayload
from reelkit.api.player_themes import NewThemePayload, ThemePayload
from reelkit.api.signed_urls import NewSignedUrl
from reelkit.api.summaries import NewSummaryPayload, SummaryUpdatePayload
from reelkit.api.thumbnails import PickPayload
from reelkit.api.tus_headers import BYTES
from reelkit.api.upload_tokens import NewUploadToken
from reelkit.api.video_payloads import NewVideoPayload, VideoUpdatePayload
from reelkit.api.webhooks import NewWebhookPayload
from reelkit.interfaces.playback import PlaybackPolicy

__all__ = [
    "ALSO_ANSWERS",
    "BYTES",
    "BYTES_OF",
    "EMPTY",
    "FORMS",
    "HEADERS",
    "JSON_BODIES",
    "OPTIONAL_BODIES",
    "QUERIES",
    "TOLD",
]

Schema = dict[str, Any]

JSON_BODIES: dict[str, type[msgspec.Struct]] = {
    "POST_auth-api-key": AuthenticatePayload,
    "POST_auth-refresh": RefreshTokenPayload,
    "POST-video": NewVideoPayload,
    "PATCH-video": VideoUpdatePayload,
    "PATCH-discarded-video": DiscardedUpdatePayload,
    "PATCH_videos-videoId-thumbnail": PickPayload,
    "POST_upload-tokens": NewUploadToken,
    "PUT_videos-videoId-playback-policy": PlaybackPolicy,
    "POST_videos-videoId-signed-urls": NewSignedUrl,
    "PATCH_videos-videoId-captions-language": CaptionUpdate,
    "POST_players": NewThemePayload,
    "PATCH_players-playerId": ThemePayload,
    "POST_live-streams": NewLiveStreamPayload,
    "PATCH_live-streams-liveStreamId": UpdatedLiveStreamPayload,
    "POST-webhooks": NewWebhookPayload,
    "POST_summaries": NewSummaryPayload,
    "PATCH_summaries-summaryId-source": SummaryUpdatePayload,
    "POST_api-access-requests": NewAccessRequest,
    "POST-watch": Beat,
}
OPTIONAL_BODIES = frozenset({"POST_upload-tokens", "POST_videos-videoId-signed-urls"})

TEXT: Schema = {"type": "string"}
FILE: Schema = {"type": "string", "contentMediaType": "application/octet-stream"}

FORMS: dict[str, dict[str, Schema]] = {
    "POST_videos-videoId-source": {"file": FILE},
    "POST_upload": {"file": FILE, "videoId": TEXT},
    "POST_videos-videoId-thumbnail": {"file": FILE},
    "POST_videos-videoId-captions-language": {"file": FILE},
    "POST_videos-videoId-chapters-language": {"file": FILE},
    "POST_watermark": {"file": FILE},
    "POST_players-playerId-logo": {"file": FILE, "link": TEXT},
    "POST_live-streams-liveStreamId-thumbnail": {"file": FILE},
}
"""multipart/form-data: the fields, of which `file` is required and may go by any name."""

BYTES_OF = frozenset({"POST_uploads-tus", "PATCH_uploads-tus-id", "POST_uploads-tus-id"})
"""Take bytes of a file as they are, under the type of tus; a new upload need not bring any yet."""

PART = {"Content-Range": "`part N/TOTAL`, `part N/*` or `bytes A-B/TOTAL` of an upload in parts."}
SPOKEN = {"Tus-Resumable": "1.0.0"}
CHECKED = {"Upload-Checksum": "`sha1`, `sha256` or `md5`, a blank, and the checksum of the body in Base64."}
OFFSET = {"Upload-Offset": "Bytes that are here, as HEAD tells; the body goes behind them."}
HEADERS: dict[str, dict[str, str]] = {
    "POST_videos-videoId-source": PART,
    "POST_upload": PART,
    "POST_uploads-tus": {
        **SPOKEN,
        "Upload-Length": "Bytes of the whole file; not told of a final upload.",
        "Upload-Metadata": "`filename`, `title` or `name`, `videoId` of a video to upload into: each a key and Base64.",
        "Upload-Concat": "`partial`, or `final;` and the addresses of partial uploads, separated by blanks.",
        **CHECKED,
    },
    "HEAD_uploads-tus-id": SPOKEN,
    "PATCH_uploads-tus-id": {**SPOKEN, **OFFSET, **CHECKED},
    "POST_uploads-tus-id": {
        **SPOKEN,
        "X-HTTP-Method-Override": "`PATCH`, `DELETE` or `HEAD`, where a network lets only POST pass.",
        **OFFSET,
        **CHECKED,
    },
    "DELETE_uploads-tus-id": SPOKEN,
}
"""Headers that requests may bring; of uploads by tus `Tus-Resumable` must be there."""

STANDS = {
    "Upload-Offset": "Bytes that are here.",
    "Upload-Expires": "When an upload that is not complete is removed.",
    "Video-Id": "The video that it is the source of.",
}
TOLD: dict[str, dict[str, str]] = {
    "OPTIONS_uploads-tus": {
        **SPOKEN,
        "Tus-Version": "1.0.0",
        "Tus-Extension": "What of tus is spoken.",
        "Tus-Checksum-Algorithm": "The checksums that are compared.",
        "Tus-Max-Size": "Bytes that a file may have.",
    },
    "POST_uploads-tus": {**SPOKEN, "Location": "The address of the upload.", **STANDS},
    "HEAD_uploads-tus-id": {
        **SPOKEN,
        "Upload-Length": "Bytes of the whole file.",
        **STANDS,
        "Upload-Metadata": "As it was given.",
        "Upload-Concat": "As it was given.",
    },
    "PATCH_uploads-tus-id": {**SPOKEN, **STANDS},
    "POST_uploads-tus-id": {**SPOKEN, **STANDS},
    "DELETE_uploads-tus-id": SPOKEN,
}
"""Headers of answers that went well, beside the allowance of a key."""

TUS = (400, 401, 403, 404, 409, 412, 413, 415, 423, 429, 460)
ALSO_ANSWERS: dict[str, tuple[int, ...]] = {
    "POST-video": (202,),
    "PATCH-video": (409,),
    "POST_summaries": (409,),
    "PATCH_summaries-summaryId-source": (409,),
    "POST_upload": (401, 404, 429),
    "POST-watch": (400, 429),
    "POST_uploads-tus": TUS,
    "HEAD_uploads-tus-id": TUS,
    "PATCH_uploads-tus-id": TUS,
    "POST_uploads-tus-id": TUS,
    "DELETE_uploads-tus-id": TUS,
    "POST_auth-api-key": (401, 403, 429),
    "POST_auth-refresh": (401,),
    "GET_metrics": (403,),
}


EMPTY = frozenset({"OPTIONS_uploads-tus", "PUT_live-streams-liveStreamId-complete"})
"""Answer without a body, whatever the type that the handler returns."""


def words(*allowed: str, default: str | None = None) -> Schema:
    """Return the schema of one of some words."""
    return {"type": "string", "enum": list(allowed)} | ({} if default is None else {"default": default})


def sorting(*columns: str, default: str, order: str = "desc") -> dict[str, Schema]:
    """Return the parameters that sort a list."""
    return {"sortBy": words(*columns, default=default), "sortOrder": words("asc", "desc", default=order)}


MOMENT: Schema = {"type": "string", "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": TEXT}
PAGES: dict[str, Schema] = {
    "currentPage": {"type": "integer", "minimum": 1, "default": 1},
    "pageSize": {"type": "integer", "minimum": 1, "maximum": 100, "default": 25},
}
VIDEOS: dict[str, Schema] = {
    "title": TEXT,
    "tags[]": TEXTS,
    "metadata": {"type": "object", "additionalProperties": TEXT},
    "description": TEXT,
    "liveStreamId": TEXT,
    **sorting("title", "createdAt", "publishedAt", "updatedAt", default="createdAt"),
    **PAGES,
}
MEASURED: dict[str, Schema] = {
    "from": MOMENT,
    "to": MOMENT,
    "unique": {"type": "boolean"},
    "viewDuration": words("3s", "5s", "10s", "30s"),
    "filterBy": {
        "type": "object",
        "properties": {
            "mediaId": TEXTS,
            "mediaType": words("video", "live-stream"),
            "continent": {"type": "array", "items": words("AS", "AF", "NA", "SA", "AN", "EU", "AZ")},
            "country": TEXTS,
            "deviceType": TEXTS,
            "operatingSystem": TEXTS,
            "browser": TEXTS,
            "tag": TEXT,
            "referrer": TEXTS,
        },
    },
}

QUERIES: dict[str, dict[str, Schema]] = {
    "LIST-videos": VIDEOS,
    "LIST-discarded-videos": VIDEOS,
    "LIST-tags": {"value": TEXT, **sorting("value", "videoCount", default="value", order="asc"), **PAGES},
    "GET_summaries": {
        "videoId": TEXT,
        "origin": words("auto", "api"),
        "sourceStatus": words("missing", "waiting", "failed", "completed", "unprocessable"),
        **sorting("createdAt", "updatedAt", "videoId", default="createdAt"),
        **PAGES,
    },
    "LIST-watermarks": {**sorting("createdAt", default="createdAt"), **PAGES},
    "GET_upload-tokens": {**sorting("createdAt", "ttl", default="createdAt"), **PAGES},
    "POST_upload": {"token": TEXT},
    "GET_live-streams": {
        "streamKey": TEXT,
        "name": TEXT,
        **sorting("name", "createdAt", "updatedAt", default="createdAt"),
        **PAGES,
    },
    "GET_videos-videoId-captions": PAGES,
    "GET_videos-videoId-chapters": PAGES,
    "GET_players": {**sorting("name", "createdAt", "updatedAt", default="createdAt"), **PAGES},
    "GET_aggregated-metrics": MEASURED,
    "GET_metrics-breakdown": {
        **MEASURED,
        "sortBy": words("metricValue", "dimensionValue"),
        "sortOrder": words("asc", "desc"),
        **PAGES,
    },
    "GET_metrics-over-time": {
        **MEASURED,
        "interval": words("minute", "hour", "day"),
        "sortBy": words("metricValue", "emittedAt"),
        "sortOrder": words("asc", "desc"),
        **PAGES,
    },
    "GET_videos-videoId-explain-access": {
        **dict.fromkeys(("path", "token", "session", "referer", "origin", "ip", "country"), TEXT),
        "at": MOMENT,
    },
    "LIST-webhooks": {"events": TEXT, **PAGES},
    "LIST-webhook-deliveries": {"status": words("waiting", "delivered", "failed"), **PAGES},
}
