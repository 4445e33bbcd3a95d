"""python_client.py OPTIONS: does every operation with the official Python client and tells as JSON how each went.

OPTIONS is JSON: url, key, files (a folder, see conftest.py). Printed: [[operation id, what was done, error or null], …].
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apivideo import AuthenticatedApiClient
from apivideo.api.analytics_api import AnalyticsApi
from apivideo.api.captions_api import CaptionsApi
from apivideo.api.chapters_api import ChaptersApi
from apivideo.api.live_streams_api import LiveStreamsApi
from apivideo.api.player_themes_api import PlayerThemesApi
from apivideo.api.summaries_api import SummariesApi
from apivideo.api.tags_api import TagsApi
from apivideo.api.upload_tokens_api import UploadTokensApi
from apivideo.api.videos_api import VideosApi
from apivideo.api.watermarks_api import WatermarksApi
from apivideo.api.webhooks_api import WebhooksApi
from apivideo.configuration import Configuration
from apivideo.exceptions import ApiException
from apivideo.model.captions_update_payload import CaptionsUpdatePayload
from apivideo.model.discarded_video_update_payload import DiscardedVideoUpdatePayload
from apivideo.model.filter_by import FilterBy
from apivideo.model.filter_by1 import FilterBy1
from apivideo.model.filter_by2 import FilterBy2
from apivideo.model.live_stream_creation_payload import LiveStreamCreationPayload
from apivideo.model.live_stream_update_payload import LiveStreamUpdatePayload
from apivideo.model.metadata import Metadata
from apivideo.model.player_theme_creation_payload import PlayerThemeCreationPayload
from apivideo.model.player_theme_update_payload import PlayerThemeUpdatePayload
from apivideo.model.restreams_request_object import RestreamsRequestObject
from apivideo.model.summary_creation_payload import SummaryCreationPayload
from apivideo.model.summary_update_payload import SummaryUpdatePayload
from apivideo.model.token_creation_payload import TokenCreationPayload
from apivideo.model.video_clip import VideoClip
from apivideo.model.video_creation_payload import VideoCreationPayload
from apivideo.model.video_thumbnail_pick_payload import VideoThumbnailPickPayload
from apivideo.model.video_update_payload import VideoUpdatePayload
from apivideo.model.video_watermark import VideoWatermark
from apivideo.model.webhooks_creation_payload import WebhooksCreationPayload

MIB = 1 << 20
options = json.loads(sys.argv[1])
files = Path(options["files"])
told: list[list[str | None]] = []


def step(operation: str, what: str, act: Callable[[], Any], check: Callable[[Any], object] = lambda _: True) -> Any:
    """Do one thing and note how it went. check: what is true of a good answer."""
    answer, error = None, None
    try:
        answer = act()
        if not check(answer):
            error = f"answered {str(answer)[:400]}"
    except Exception as failure:
        error = f"{type(failure).__name__}: {str(failure)[:400]}"
    told.append([operation, what, error])
    return answer


def sent(name: str, call: Callable[[Any], Any]) -> Any:
    """Call with an open file."""
    with (files / name).open("rb") as file:
        return call(file)


def refused(status: int, act: Callable[[], Any]) -> Any:
    """Return the body of an answer that is an error of this status."""
    try:
        act()
    except ApiException as error:
        assert error.status == status, f"{error.status} instead of {status}: {error.body}"
        return json.loads(error.body)
    raise AssertionError("it was not refused")


def wait_playable(video_id: str) -> Any:
    """Return the status once a video plays."""
    deadline = time.monotonic() + 60
    while not (status := videos.get_status(video_id)).encoding.playable:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    return status


client = AuthenticatedApiClient(options["key"], configuration=Configuration(chunk_size=5 * MIB))
client.configuration.host = options["url"]
videos, tokens, captions, chapters = VideosApi(client), UploadTokensApi(client), CaptionsApi(client), ChaptersApi(client)
watermarks, players, streams = WatermarksApi(client), PlayerThemesApi(client), LiveStreamsApi(client)
webhooks, summaries, tags, analytics = WebhooksApi(client), SummariesApi(client), TagsApi(client), AnalyticsApi(client)

# Authentication
step("POST_auth-api-key", "exchange a key", client.connect)
step("POST_auth-refresh", "renew the access token", client.refresh_token)

# Watermarks, which a video takes when it is created
mark = step("POST_watermark", "upload", lambda: sent("mark.png", watermarks.upload))
step("LIST-watermarks", "list, sorted", lambda: watermarks.list(sort_by="createdAt", sort_order="asc"), lambda it: it.data)

# Videos
video = step(
    "POST-video",
    "create with metadata and tags",
    lambda: videos.create(
        VideoCreationPayload(
            title="Journey",
            description="A short film",
            public=True,
            panoramic=False,
            mp4_support=True,
            tags=["python", "contract"],
            metadata=[Metadata(key="client", value="python")],
        )
    ),
    lambda it: it.assets.player and it.tags == ["python", "contract"] and it.metadata[0].value == "python",
)
vid = video.video_id
step("POST_videos-videoId-source", "upload in parts", lambda: sent("film.mp4", lambda f: videos.upload(vid, f)))
step("GET-video-status", "until it plays", lambda: wait_playable(vid), lambda it: it.ingest.status == "ingested")
step("GET-video", "read", lambda: videos.get(vid), lambda it: it.title == "Journey" and it.created_at.tzinfo)
step(
    "PATCH-video",
    "change",
    lambda: videos.update(vid, VideoUpdatePayload(title="Voyage", tags=["python", "changed by python"])),
    lambda it: it.title == "Voyage" and it.description == "A short film" and it.tags == ["python", "changed by python"],
)
step("PATCH-video", "take a theme off", lambda: videos.update(vid, VideoUpdatePayload(player_id=None)))
step(
    "POST_videos-videoId-thumbnail",
    "upload",
    lambda: sent("picture.jpg", lambda f: videos.upload_thumbnail(vid, f)),
    lambda it: it.assets.thumbnail,
)
step(
    "PATCH_videos-videoId-thumbnail",
    "pick a frame",
    lambda: videos.pick_thumbnail(vid, VideoThumbnailPickPayload(timecode="00:00:01.000")),
    lambda it: it.assets.thumbnail,
)
whole = step(
    "POST-video",
    "create with a watermark and a clip",
    lambda: videos.create(
        VideoCreationPayload(
            title="Marked",
            watermark=VideoWatermark(id=mark.watermark_id, top="10px", left="10px"),
            clip=VideoClip(start_timecode="0", end_timecode="2"),
        )
    ),
)
step(
    "POST_videos-videoId-source",
    "upload in one piece",
    lambda: sent("small.mp4", lambda f: videos.upload(whole.video_id, f)),
    lambda it: it.video_id == whole.video_id,
)
parted = videos.create(VideoCreationPayload(title="Of unknown length"))


def progressive(session: Any) -> Any:
    """Send a first part without knowing how many follow, and the last."""
    first = sent("part1.mp4", session.uploadPart)
    last = sent("part2.mp4", session.uploadLastPart)
    assert first.video_id == last.video_id
    return last


step(
    "POST_videos-videoId-source",
    "upload parts of unknown number",
    lambda: progressive(videos.create_upload_progressive_session(parted.video_id)),
    lambda it: it.video_id == parted.video_id,
)
copy = step(
    "POST-video",
    "copy another video",
    lambda: videos.create(VideoCreationPayload(title="Copy", source=vid)),
    lambda it: it.video_id != vid,
)
step(
    "LIST-videos",
    "filter by title, tags and metadata",
    lambda: videos.list(title="Voy", tags=["python", "changed by python"], metadata={"client": "python"}),
    lambda it: [one.video_id for one in it.data] == [vid] and it.pagination.items_total == 1,
)
step(
    "LIST-videos",
    "sort and page",
    lambda: videos.list(sort_by="title", sort_order="asc", current_page=2, page_size=1),
    lambda it: (
        len(it.data) == 1
        and it.pagination.current_page == 2
        and {link.rel for link in it.pagination.links} >= {"self", "first", "previous", "last"}
    ),
)
step("LIST-tags", "search", lambda: tags.list(value="BY PYTH"), lambda it: it.data[0].video_count == 1)
step(
    "GET-video",
    "refuse what is not there",
    lambda: refused(404, lambda: videos.get("vi0000000000000000000000")),
    lambda it: it["name"] == "videoId" and it["status"] == 404,
)
step(
    "POST-video",
    "refuse an empty title",
    lambda: refused(400, lambda: videos.create(VideoCreationPayload(title=""))),
    lambda it: it["name"] == "title",
)

# Upload tokens
token = step(
    "POST_upload-tokens",
    "create with a lifetime",
    lambda: tokens.create_token(TokenCreationPayload(ttl=3600)),
    lambda it: it.ttl == 3600,
)
step("GET_upload-tokens", "list, sorted", lambda: tokens.list(sort_by="createdAt", sort_order="desc"), lambda it: it.data)
step("GET_upload-tokens-uploadToken", "read", lambda: tokens.get_token(token.token), lambda it: it.token == token.token)
step(
    "POST_upload",
    "upload in one piece",
    lambda: sent("small.mp4", lambda f: videos.upload_with_upload_token(token.token, f)),
    lambda it: it.video_id and "small.mp4" in it.title,
)
step(
    "POST_upload",
    "upload in parts without naming the video",
    lambda: sent("film.mp4", lambda f: videos.upload_with_upload_token(token.token, f)),
    lambda it: it.video_id,
)
step(
    "POST_upload",
    "upload parts of unknown number",
    lambda: progressive(videos.create_upload_with_upload_token_progressive_session(token.token)),
)
step("DELETE_upload-tokens-uploadToken", "delete", lambda: tokens.delete_token(token.token), lambda it: it is None)

# Captions and chapters
step(
    "POST_videos-videoId-captions-language",
    "upload",
    lambda: sent("captions.vtt", lambda f: captions.upload(vid, "fr", f)),
    lambda it: it.srclang == "fr",
)
step(
    "PATCH_videos-videoId-captions-language",
    "make the default",
    lambda: captions.update(vid, "fr", CaptionsUpdatePayload(default=True)),
    lambda it: it.default is True,
)
step(
    "GET_videos-videoId-captions-language",
    "read",
    lambda: captions.get(vid, "fr"),
    lambda it: it.language_name == "Français",
)
step(
    "GET_videos-videoId-captions",
    "list",
    lambda: captions.list(vid, current_page=1, page_size=10),
    lambda it: len(it.data) == 1,
)
step("DELETE_videos-videoId-captions-language", "delete", lambda: captions.delete(vid, "fr"), lambda it: it is None)
step(
    "POST_videos-videoId-chapters-language",
    "upload",
    lambda: sent("chapters.vtt", lambda f: chapters.upload(vid, "en", f)),
    lambda it: it.language == "en",
)
step("GET_videos-videoId-chapters-language", "read", lambda: chapters.get(vid, "en"), lambda it: it.src)
step("GET_videos-videoId-chapters", "list", lambda: chapters.list(vid), lambda it: len(it.data) == 1)
step("DELETE_videos-videoId-chapters-language", "delete", lambda: chapters.delete(vid, "en"), lambda it: it is None)

# Player themes
theme = step(
    "POST_players",
    "create",
    lambda: players.create(PlayerThemeCreationPayload(name="Night", text="rgba(1, 2, 3, .5)", force_loop=True)),
    lambda it: it.player_id and it.force_loop is True,
)
step("GET_players-playerId", "read", lambda: players.get(theme.player_id), lambda it: it.name == "Night")
step(
    "PATCH_players-playerId",
    "change",
    lambda: players.update(theme.player_id, PlayerThemeUpdatePayload(hide_title=True)),
    lambda it: it.hide_title is True,
)
step("GET_players", "list, sorted", lambda: players.list(sort_by="createdAt", sort_order="desc"), lambda it: it.data)
step(
    "POST_players-playerId-logo",
    "upload with a link",
    lambda: sent("logo.png", lambda f: players.upload_logo(theme.player_id, f, link="https://example.com/")),
    lambda it: it.assets.logo and it.assets.link == "https://example.com/",
)
step(
    "PATCH-video",
    "put a theme on",
    lambda: videos.update(vid, VideoUpdatePayload(player_id=theme.player_id)),
    lambda it: it.player_id == theme.player_id,
)
step("DELETE_players-playerId-logo", "delete", lambda: players.delete_logo(theme.player_id), lambda it: it is None)
step("DELETE_players-playerId", "delete", lambda: players.delete(theme.player_id), lambda it: it is None)

# Live streams
live = step(
    "POST_live-streams",
    "create with a restream",
    lambda: streams.create(
        LiveStreamCreationPayload(
            name="Concert",
            restreams=[RestreamsRequestObject(name="Far", server_url="rtmp://example.com/app", stream_key="key")],
        )
    ),
    lambda it: it.stream_key and it.restreams[0].name == "Far" and it.broadcasting is False,
)
lid = live.live_stream_id
step("GET_live-streams-liveStreamId", "read", lambda: streams.get(lid), lambda it: it.name == "Concert")
step(
    "PATCH_live-streams-liveStreamId",
    "change",
    lambda: streams.update(lid, LiveStreamUpdatePayload(name="Encore", restreams=[])),
    lambda it: it.name == "Encore" and it.restreams == [],
)
step(
    "GET_live-streams",
    "find by its key",
    lambda: streams.list(stream_key=live.stream_key),
    lambda it: it.data[0].live_stream_id == lid,
)
step(
    "POST_live-streams-liveStreamId-thumbnail",
    "upload",
    lambda: sent("picture.jpg", lambda f: streams.upload_thumbnail(lid, f)),
    lambda it: it.assets.thumbnail,
)
step(
    "DELETE_live-streams-liveStreamId-thumbnail",
    "delete",
    lambda: streams.delete_thumbnail(lid),
    lambda it: it.live_stream_id == lid,
)
step("PUT_live-streams-liveStreamId-complete", "complete", lambda: streams.complete(lid), lambda it: it is None)
step("DELETE_live-streams-liveStreamId", "delete", lambda: streams.delete(lid), lambda it: it is None)

# Webhooks
hook = step(
    "POST-webhooks",
    "create",
    lambda: webhooks.create(
        WebhooksCreationPayload(events=["video.encoding.quality.completed"], url="https://example.com/hook")
    ),
    lambda it: it.webhook_id and it.signature_secret,
)
step("GET-Webhook", "read", lambda: webhooks.get(hook.webhook_id), lambda it: it.url == "https://example.com/hook")
step(
    "LIST-webhooks", "filter by event", lambda: webhooks.list(events="video.encoding.quality.completed"), lambda it: it.data
)
step("DELETE-webhook", "delete", lambda: webhooks.delete(hook.webhook_id), lambda it: it is None)

# Summaries
summary = step(
    "POST_summaries",
    "create",
    lambda: summaries.create(SummaryCreationPayload(video_id=vid)),
    lambda it: it.source_status == "missing",
)
step(
    "PATCH_summaries-summaryId-source",
    "write",
    lambda: summaries.update(summary.summary_id, SummaryUpdatePayload(abstract="A film.", takeaways=["one", "two"])),
    lambda it: it.abstract == "A film.",
)
step(
    "GET_summaries-summaryId-source",
    "read",
    lambda: summaries.get_summary_source(summary.summary_id),
    lambda it: it.takeaways == ["one", "two"],
)
step("GET_summaries", "filter by video", lambda: summaries.list(video_id=vid, origin="api"), lambda it: len(it.data) == 1)
step(
    "POST_summaries",
    "refuse a second one",
    lambda: refused(409, lambda: summaries.create(SummaryCreationPayload(video_id=vid))),
)
step("DELETE_summaries-summaryId", "delete", lambda: summaries.delete(summary.summary_id), lambda it: it is None)

# Analytics
now = datetime.now(UTC)
step(
    "GET_aggregated-metrics",
    "count plays of a country",
    lambda: analytics.get_aggregated_metrics(
        "play", "count", _from=now - timedelta(days=1), to=now, filter_by=FilterBy2(country=["FR"], media_type="video")
    ),
    lambda it: it.context.metric == "play" and it.data == 0,
)
step(
    "GET_aggregated-metrics",
    "unique viewers of 10 s",
    lambda: analytics.get_aggregated_metrics("view", "count", unique=True, view_duration="10s"),
    lambda it: it.data == 0,
)
step("GET_aggregated-metrics", "most viewers at once", lambda: analytics.get_aggregated_metrics("ccv", "peak"))
step(
    "GET_metrics-breakdown",
    "plays by device",
    lambda: analytics.get_metrics_breakdown("play", "device-type", filter_by=FilterBy(media_type="video")),
    lambda it: it.pagination,
)
step(
    "GET_metrics-over-time",
    "plays by hour",
    lambda: analytics.get_metrics_over_time("play", interval="hour", filter_by=FilterBy1(media_type="video")),
    lambda it: it.pagination,
)

# Deleting, and taking it back
step("DELETE-video", "delete", lambda: videos.delete(vid), lambda it: it is None)
step("GET-discarded-video", "read", lambda: videos.get_discarded(vid), lambda it: it.discarded is True and it.deletes_at)
step(
    "LIST-discarded-videos",
    "filter by tag",
    lambda: videos.list_discarded(tags=["changed by python"], sort_by="createdAt"),
    lambda it: it.data[0].video_id == vid,
)
step(
    "PATCH-discarded-video",
    "restore",
    lambda: videos.update_discarded(vid, DiscardedVideoUpdatePayload(discarded=False)),
    lambda it: it.video_id == vid,
)
step("DELETE_watermark", "delete", lambda: watermarks.delete(mark.watermark_id), lambda it: it is None)

print(json.dumps(told))
